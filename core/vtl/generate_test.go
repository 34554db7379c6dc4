package vtl

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes templates at random: well-formed ones, with every construct in every other, and soup of fragments.
type generator struct {
	*rand.Rand
	depth int
}

func (g *generator) one(choices ...string) string { return choices[g.IntN(len(choices))] }

// prologue gives the variables that generated templates use.
const prologue = `#set($s='Hello, World')#set($e='')#set($u='äß😀x')#set($n=42)#set($z=0)#set($neg=-7)#set($big=3000000000)#set($d=2.5)#set($t=true)#set($f=false)` +
	`#set($l=['a','b','c'])#set($nums=[3,1,2])#set($m={'k':'v','n':1,'l':[1,2]})#set($h=99999999999*99999999999)#set($c=$s.charAt(1))` +
	`#set($arr=$s.split(', '))#set($j=$input.path('$'))#macro(w $p)<$p>#end#macro(two $p $q)$p-$q$!bodyContent#end#define($blk)[$n]#end`

const generatedBody = `{"a":[1,{"b":"c/d"},null,2.50],"o":{"x":"y"},"s":"text","n":12345678901,"t":true,"nul":null}`

func (g *generator) template() string {
	g.depth = 0
	if g.IntN(4) == 0 {
		return prologue + g.soup()
	}
	var b strings.Builder
	b.WriteString(prologue)
	for range 1 + g.IntN(4) {
		b.WriteString(g.statement())
	}
	return b.String()
}

func (g *generator) soup() string {
	pieces := []string{"$", "!", "#", "{", "}", "(", ")", "[", "]", ".", ",", ":", "\\", "\\\\", "\"", "'", " ", "\t", "\n", "\r\n", "##", "#*", "*#", "#[[",
		"]]#", "#set(", "#if(", "#else", "#elseif(", "#end", "#foreach(", "#macro(", "#define(", "#stop", "#break", "#evaluate(", "#w(", "#@w(", "#{else}",
		"#{end}", "$s", "$!s", "${s}", "$!{s}", "$m.k", "$l[0]", "$s.length()", "$nope", "in", "true", "false", "==", "=", "+", "-", "1", "2.5", "..", "é", "😀", "x", "_", "@",
		"&&", "||", "!", "<", ">", "and", "not", "$m.get('k')", "#w", "#nope(", "#literal()", "$blk", "$x", "#set($x=1)", "#if($t)"}
	var b strings.Builder
	for range 1 + g.IntN(9) {
		b.WriteString(pieces[g.IntN(len(pieces))])
	}
	return b.String()
}

func (g *generator) body() string {
	if g.depth++; g.depth > 4 {
		return g.text()
	}
	var b strings.Builder
	for range g.IntN(4) {
		b.WriteString(g.statement())
	}
	g.depth--
	return b.String()
}

func (g *generator) text() string {
	return g.one("x", " ", "\n", "  ", "\t", "a b", "{\"k\": ", "}", ",", ".", "-", "\r\n", "é", "$", "$ ", "# ", "\\", "\\\\", "[0]", "()", ".x", "!", "'", "\"", "#1", "1", "x.y(1)")
}

func (g *generator) space() string { return g.one("", "", "", " ", "\n", " \n", "\t\r\n", "  ") }

func (g *generator) statement() string {
	switch g.IntN(22) {
	case 0, 1, 2, 3:
		return g.text()
	case 4, 5, 6, 7, 8:
		return g.one("", "", "", "", "\\", "\\\\", "\\\\\\", "#", "$") + g.reference()
	case 9, 10:
		return g.space() + "#set(" + g.target() + g.one("=", " = ") + g.expression() + ")" + g.space()
	case 11, 12:
		s := "#if(" + g.expression() + ")" + g.space() + g.body()
		if g.IntN(3) == 0 {
			s += "#elseif(" + g.expression() + ")" + g.body()
		}
		if g.IntN(3) == 0 {
			s += g.one("#else", "#{else}") + g.space() + g.body()
		}
		return s + "#end" + g.space()
	case 13, 14:
		return "#foreach(" + g.one("$i", "$x", "$n", "$p") + " in " + g.argument() + ")" + g.space() + g.body() +
			g.one("", "$i", "$foreach.index", "$velocityCount", "#if($foreach.hasNext),#end", "$foreach.last", "#break", "$foreach.parent.count") + "#end" + g.space()
	case 15:
		return g.one("#w(", "#two(", "#w (", "#nope(", "#late(") + g.argument() + g.one("", " ", ", ") + g.one("", g.argument()) + ")" + g.space()
	case 16:
		return "#@" + g.one("two", "w", "nope") + "(" + g.argument() + ")" + g.body() + "#end"
	case 17:
		return "#define(" + g.one("$x", "$blk", "$y") + ")" + g.body() + "#end"
	case 18:
		return "#evaluate(" + g.one("$s", "'$n'", `"a$n"`, "'#set($x=5)$x'", "$x", "'#macro(late $p)L$p#end'") + ")"
	case 19:
		return g.one("##c\n", "#*c*#", "#[[r $s]]#", "\\#if", "\\\\#end", "\\#w(1)", "#stop", "#break", "#literal()$s#end", "#{w}(1)")
	case 20:
		return "#macro(" + g.one("late", "w", "rec") + " " + g.one("$p", "$n", "$p $q", "") + ")" + g.body() + "#end" + g.space()
	}
	return g.call()
}

func (g *generator) variable() string {
	return g.one("s", "e", "u", "n", "z", "neg", "big", "d", "t", "f", "l", "nums", "m", "h", "c", "arr", "j", "blk", "x", "y", "nope", "p", "i", "foreach", "bodyContent")
}

func (g *generator) target() string {
	return g.one("$x", "$y", "$x", "$m.k", "$m.new", "$l[0]", "$l[-1]", "$m['q r']", "$j.o.x", "$nope.x", "${x}", "$p", "$foreach.v", "$context.requestOverride.header.X-A")
}

func (g *generator) reference() string {
	name := g.variable()
	tail := ""
	for range g.IntN(3) {
		tail += g.part()
	}
	switch g.IntN(6) {
	case 0:
		return "${" + name + tail + "}"
	case 1:
		return "$!" + name + tail
	case 2:
		return "$!{" + name + tail + "}"
	}
	return "$" + name + tail
}

func (g *generator) part() string {
	switch g.IntN(4) {
	case 0:
		return "." + g.one("k", "n", "l", "a", "o", "x", "s", "size", "empty", "class", "key", "first", "index", "count", "hasNext", "nul", "bytes")
	case 1:
		return "[" + g.one("0", "1", "-1", "'k'", "$z", "$n", "9", " 0 ", "true") + "]"
	}
	m := generatedMethods[g.IntN(len(generatedMethods))]
	args := make([]string, g.IntN(3))
	for i := range args {
		args[i] = g.argument()
	}
	return "." + m + "(" + strings.Join(args, g.one(",", ", ", " , ")) + ")"
}

// call is a method with arguments that are likely to fit.
func (g *generator) call() string {
	text := func() string {
		return g.one("'o'", "'l'", "''", "'Hello'", "$s", "$e", "$u", "'😀'", "'12'", "'-5'", "'x'", "'1.5'", "'zz'", "'WORLD'")
	}
	number := func() string { return g.one("0", "1", "2", "3", "5", "12", "-1", "$n", "$z", "100") }
	pattern := func() string {
		return g.one("'o'", "'[a-z]+'", "'(l)(l)?'", "'\\s*'", "'^.'", "'.$'", "'(?i)H'", "'\\b'", "'x*'", "'[^a-z]'", "'(?<=l)l'", "'(?=o)'", "'\\p{L}'", "', '", "'(.)\\1'", "'.*?o'", "'l|o'", "'\\W'", "'l{2}'", "'l++'", "'(?>l+)o'", "'[a-m&&[^e]]'", "'$'", "''")
	}
	replacement := func() string { return g.one("'_'", "''", "'[$0]'", "'$1'", "'\\$'", "'a\\\\b'", "'$0$0'") }
	v := "$" + g.one("s", "u", "e", "s", "s")
	switch g.IntN(16) {
	case 0:
		return fmt.Sprintf("[%s.%s(%s)]", v, g.one("indexOf", "lastIndexOf", "contains", "startsWith", "endsWith", "equals", "equalsIgnoreCase", "compareTo", "compareToIgnoreCase", "concat", "contentEquals", "matches"), text())
	case 1:
		return fmt.Sprintf("[%s.%s(%s,%s)]", v, g.one("indexOf", "lastIndexOf", "startsWith"), text(), number())
	case 2:
		return fmt.Sprintf("[%s.%s(%s)]", v, g.one("substring", "charAt", "codePointAt", "repeat", "indexOf", "lastIndexOf"), number())
	case 3:
		return fmt.Sprintf("[%s.%s(%s,%s)]", v, g.one("substring", "subSequence"), number(), number())
	case 4:
		return fmt.Sprintf("[%s.%s(%s,%s)]", v, g.one("replaceAll", "replaceFirst"), pattern(), replacement())
	case 5:
		return fmt.Sprintf("#foreach($i in %s.split(%s%s))[$i]#end", v, pattern(), g.one("", ",-1", ",0", ",1", ",2", ",3"))
	case 6:
		return fmt.Sprintf("[%s.%s()]", v, g.one("length", "trim", "strip", "toUpperCase", "toLowerCase", "hashCode", "isEmpty", "isBlank", "stripLeading", "stripTrailing", "intern"))
	case 7:
		return fmt.Sprintf("[%s.regionMatches(%s%s,%s,%s,%s)]", v, g.one("", "true,"), number(), text(), number(), number())
	case 8:
		return fmt.Sprintf("[$s.format('%s',%s)]", g.one("%s", "%5s|", "%-5s|", "%d", "%05d", "%,d", "%+d", "%x", "%X", "%o", "%.2f", "%8.3f", "%e", "%.3e", "%g", "%b", "%S", "%c", "%(d", "% d", "%#x", "%.3s", "%1$s%1$s", "%h", "%,.2f", "%08.2f", "%%", "%-8d|", "%.0f", "%10.1e"),
			g.one("$n", "$neg", "$big", "$d", "$s", "$t", "$l", "$h", "$c", "1234567.891", "0.00012345", "0.0", "1e10", "2.5", "0.125", "1.005", "99.995", "$nope"))
	case 9:
		return fmt.Sprintf("[$%s.%s(%s)]", g.one("z", "big", "d", "h"), g.one("parseInt", "parseLong", "parseDouble", "valueOf", "decode", "toHexString", "toBinaryString", "toOctalString", "toString", "signum", "bitCount", "compareTo", "isNaN", "add", "multiply", "mod", "divide"), g.one(text(), number(), "$big", "$d", "$h", "'0x1F'", "'+7'", "' 8 '", "'1e3'", "'NaN'", "'9999999999'"))
	case 10:
		return fmt.Sprintf("[$%s.%s(%s,%s)]", g.one("z", "big", "d", "t"), g.one("parseInt", "valueOf", "toString", "max", "min", "sum", "compare", "logicalAnd", "parseLong"), g.one(text(), number(), "$t"), g.one(number(), "2", "16", "$f", "$d"))
	case 11:
		return fmt.Sprintf("[$%s.%s()]", g.one("n", "neg", "big", "d", "h", "t", "c"), g.one("intValue", "longValue", "doubleValue", "shortValue", "byteValue", "floatValue", "toString", "hashCode", "isNaN", "isInfinite", "booleanValue", "charValue", "bitLength", "signum", "negate", "abs"))
	case 12:
		return fmt.Sprintf("[$%s.%s(%s)]$l$nums", g.one("l", "nums", "j.a"), g.one("add", "remove", "contains", "indexOf", "lastIndexOf", "addAll", "removeAll", "retainAll", "containsAll", "get", "equals"), g.one(number(), "'a'", "$l", "$nums", "['a',3]", "[]"))
	case 13:
		return fmt.Sprintf("[$%s.%s(%s,%s)]$l$m", g.one("l", "nums", "m"), g.one("add", "set", "subList", "addAll", "put", "putIfAbsent", "getOrDefault", "replace", "remove"), g.one(number(), "'k'", "'zz'"), g.one(number(), "'v'", "$l", "1"))
	case 14:
		return fmt.Sprintf("[$%s.%s(%s)]$m", g.one("m", "j", "m.keySet()", "m.values()", "m.entrySet()"), g.one("get", "containsKey", "containsValue", "remove", "contains", "putAll", "equals"), g.one("'k'", "'v'", "1", "$m", "$nope"))
	}
	return fmt.Sprintf("[$%s.%s()]$m$l", g.one("l", "m", "m.keySet()", "m.values()", "m.entrySet()", "j", "j.a", "arr"), g.one("size", "isEmpty", "clear", "iterator().next", "keySet", "values", "entrySet", "toString", "hashCode", "toArray().size", "listIterator().hasNext", "iterator().hasNext"))
}

var generatedMethods = []string{"length", "size", "get", "toString", "substring", "equals", "contains", "indexOf", "split", "replaceAll", "put", "add", "remove",
	"isEmpty", "keySet", "values", "entrySet", "toUpperCase", "trim", "intValue", "hashCode", "concat", "startsWith", "charAt", "matches", "nope", "getClass", "iterator", "compareTo", "containsKey", "set"}

func (g *generator) argument() string {
	if g.depth++; g.depth > 6 {
		g.depth--
		return "1"
	}
	defer func() { g.depth-- }()
	switch g.IntN(12) {
	case 0, 1, 2:
		return g.reference()
	case 3, 4:
		return g.one("0", "1", "-1", "42", "3000000000", "2.5", "1e3", "-0.0", ".5", "007", "99999999999999999999")
	case 5:
		return g.one("'a'", "''", "'it''s'", "'$s'", "'k'", "'12'", "' '", "'\\d'")
	case 6:
		return g.one(`"a"`, `"$s"`, `"x$n-y"`, `"${s}"`, `"#if($t)y#end"`, `"""q"""`, `"\u00e9"`, `"$nope"`, `"#set($x=9)$x"`, `"a##b"`, `"$m.k "`, `"#w(1)"`, `"$"`)
	case 7:
		return g.one("true", "false")
	case 8:
		return "[" + g.argument() + ", " + g.argument() + "]"
	case 9:
		return "[" + g.one("1", "$n", "$z", "-2") + ".." + g.one("3", "$z", "1", "$neg", "$s") + "]"
	case 10:
		return "{" + g.argument() + ": " + g.argument() + "}"
	}
	return g.one("[]", "{}", "$n", "$s", "$l", "$m")
}

func (g *generator) expression() string {
	if g.depth++; g.depth > 6 {
		g.depth--
		return g.argument()
	}
	defer func() { g.depth-- }()
	switch g.IntN(7) {
	case 0, 1:
		return g.argument()
	case 2, 3:
		return g.expression() + g.one(" + ", " - ", " * ", " / ", " % ") + g.expression()
	case 4:
		return g.expression() + g.one(" == ", " != ", " < ", " > ", " <= ", " >= ", " eq ", " lt ") + g.expression()
	case 5:
		return g.expression() + g.one(" && ", " || ", " and ", " or ") + g.expression()
	}
	return g.one("(", "!(", "not (") + g.expression() + ")"
}
