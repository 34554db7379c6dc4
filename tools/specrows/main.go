// Command specrows keeps the ledger of a specification: it numbers its statements (rows of tables, bullets, numbered items)
// and compares them with those that the project's own cases name and with those that are listed as left out.
//
// A case names the statements that it shows in "rows": lines of JSON, or files with a list "cases". The list of what is left
// out has a name, a tab and the reason on each line. A name that is not in the specification is an error, and so is a
// statement that is neither shown nor listed, or both.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	spec := flag.String("spec", "", "the specification, a page of Markdown")
	left := flag.String("left", "", "the list of what no case shows")
	list := flag.Bool("list", false, "print the statements with their numbers, and end")
	flag.Parse()
	text, err := os.ReadFile(*spec)
	if err != nil {
		log.Fatal(err)
	}
	rows := rowsOf(string(text))
	if *list {
		for _, r := range rows {
			fmt.Printf("%s\t%s\n", r.name, r.text)
		}
		return
	}
	shown, err := shownBy(flag.Args())
	if err != nil {
		log.Fatal(err)
	}
	reasons, err := readReasons(*left)
	if err != nil {
		log.Fatal(err)
	}
	problems := compare(rows, shown, reasons)
	for _, p := range problems {
		log.Print(filepath.Base(*spec), ": ", p)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
	fmt.Printf("%s: %d of %d rows\n", filepath.Base(*spec), len(rows)-len(reasons), len(rows))
}
