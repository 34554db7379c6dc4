package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// named is a statement that a case or the list names, and where.
type named map[string]string

type testCase struct {
	Name string
	Rows []string
}

// shownBy reads the cases in folders and files. A folder that is not there has none.
func shownBy(places []string) (named, error) {
	shown := named{}
	for _, place := range places {
		err := filepath.WalkDir(place, func(path string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) && path == place {
				return nil
			}
			if err != nil || d.IsDir() || !strings.HasPrefix(filepath.Ext(path), ".json") {
				return err
			}
			return shown.read(path)
		})
		if err != nil {
			return nil, err
		}
	}
	return shown, nil
}

func (n named) read(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for decoder := json.NewDecoder(bytes.NewReader(text)); decoder.More(); {
		var raw json.RawMessage
		if err = decoder.Decode(&raw); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		var c struct {
			testCase
			Cases []testCase
		}
		if json.Unmarshal(raw, &c) != nil {
			continue // data of another kind
		}
		for _, each := range append(c.Cases, c.testCase) {
			for _, name := range each.Rows {
				n[name] = fmt.Sprintf("%s, case %s", filepath.Base(path), each.Name)
			}
		}
	}
	return nil
}

func readReasons(path string) (named, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	reasons := named{}
	for line := range strings.Lines(string(text)) {
		name, reason, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if name == "" || strings.HasPrefix(name, "//") {
			continue
		}
		reasons[name] = reason
	}
	return reasons, nil
}

// compare says what is wrong with the ledger.
func compare(rows []row, shown, reasons named) []string {
	var problems []string
	known := map[string]bool{}
	for _, r := range rows {
		known[r.name] = true
		by, isShown := shown[r.name]
		reason, isLeft := reasons[r.name]
		switch {
		case isShown && isLeft:
			problems = append(problems, fmt.Sprintf("%s is listed as left out, and %s shows it", r.name, by))
		case !isShown && !isLeft:
			problems = append(problems, fmt.Sprintf("%s is neither shown nor listed: %s", r.name, r.text))
		case isLeft && reason == "":
			problems = append(problems, r.name+" is listed without a reason")
		}
	}
	for name, by := range shown {
		if !known[name] {
			problems = append(problems, fmt.Sprintf("there is no %s, which %s names", name, by))
		}
	}
	for name := range reasons {
		if !known[name] {
			problems = append(problems, fmt.Sprintf("there is no %s, which is listed as left out", name))
		}
	}
	return problems
}
