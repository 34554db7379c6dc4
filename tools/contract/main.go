// Command contract writes, from the fact tables in proto/aws, the .proto files of AWS's messages and services, keeps the
// append-only ledger of field numbers, writes the request→noun copies, and compiles every .proto file of the house to Go.
package main

import (
	"flag"
	"log"
	"path/filepath"

	"github.com/limen-gateway/limen/tools/internal/facts"
)

// services in the order in which they are written.
var services = []string{"apigateway", "apigatewayv2", "apigatewaymanagementapi"}

func main() {
	log.SetFlags(0)
	root := flag.String("root", "..", "root of the checkout")
	flag.Parse()
	if err := run(*root); err != nil {
		log.Fatal(err)
	}
}

func run(root string) error {
	proto := filepath.Join(root, "proto")
	ledger, err := openLedger(filepath.Join(proto, "aws", "numbers.json"))
	if err != nil {
		return err
	}
	var all []*facts.Service
	for _, name := range services {
		svc, err := facts.Read(filepath.Join(proto, "aws", name+".json"))
		if err != nil {
			return err
		}
		all = append(all, svc)
		if err := writeMessages(proto, svc, ledger); err != nil {
			return err
		}
		if err := writeService(proto, svc); err != nil {
			return err
		}
		if err := writeCopies(proto, svc); err != nil {
			return err
		}
	}
	if err := ledger.save(); err != nil {
		return err
	}
	if err := writeOperations(root, all); err != nil {
		return err
	}
	if err := writeMembers(root, all); err != nil {
		return err
	}
	return compile(proto)
}
