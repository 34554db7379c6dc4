// Command limen is the whole product in one binary: every role (limen server), all of them in one process (limen dev),
// and the commands that talk to them.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/limen-gateway/limen/cli"
)

func main() {
	root := cli.New(devCommand(), serverCommand(), settingsCommand())
	if err := root.ExecuteContext(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "limen:", err)
		os.Exit(1)
	}
}
