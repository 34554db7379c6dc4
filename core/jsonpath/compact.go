package jsonpath

import "strings"

// Compact is the compact JSON text of a document, what AppendJSON makes of it, if the document is written so already but for
// the white space around it, as most programs write it. False means that it may be another, or no document.
func Compact(text string) (string, bool) {
	text = strings.Trim(text, " \t\r\n")
	n := nothing{}
	d := decoders.Get().(*decoder)
	defer d.release()
	d.text, d.compact, d.to = text, true, &n
	return text, d.document() == nil && !n.twice
}

// nothing is a Builder of nothing. It remembers that a key may stand twice in an object.
type nothing struct{ twice bool }

func (*nothing) Scalar(Value) {}

func (*nothing) Array(int) {}

func (n *nothing) Object(_ []string, distinct bool) { n.twice = n.twice || !distinct }
