package vtl

import (
	"errors"
	"strings"
	"testing"
)

// render compiles and renders a template. What is not bounded does not come back.
func render(t *testing.T, template string, l Limits) (string, error) {
	t.Helper()
	p, err := CompileText(template, Options{})
	var out []byte
	if err == nil {
		x := vector{Body: `{"a":[1,2,3]}`}
		out, err = p.Render(x.variables(p.Uses), l, nil)
	}
	return string(out), err
}

func TestLimits(t *testing.T) {
	deep := func(open, inner, close string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(close, n)
	}
	tests := []struct {
		name, template string
		kind           ErrorKind
	}{
		{"template of 300 KB", strings.Repeat("x", MaxTemplate+1), ErrLimit},
		{"nested directives", deep("#if(true)", "x", "#end", 5000), ErrLimit},
		{"nested parentheses", "#set($x=" + deep("(", "1", ")", 5000) + ")", ErrLimit},
		{"nested negations", "#if(" + strings.Repeat("!", 5000) + "true)x#end", ErrLimit},
		{"nested lists", "#set($x=" + deep("[", "1", "]", 5000) + ")", ErrLimit},
		{"nested maps", "#set($x=" + deep("{1:", "1", "}", 5000) + ")", ErrLimit},
		{"nested arguments", deep("$a.b(", "1", ")", 5000), ErrLimit},
		{"nested indices", deep("$a[", "1", "]", 5000), ErrLimit},
		{"endless recursion of a macro", "#macro(m)#m()#end#m()", ErrLimit},
		{"endless #evaluate", "#set($t='#evaluate($t)')#evaluate($t)", ErrLimit},
		{"loops in loops", strings.Repeat("#foreach($i in [1..1000])", 5) + "x" + strings.Repeat("#end", 5), ErrLimit},
		{"silent loops in loops", strings.Repeat("#foreach($i in [1..1000])", 5) + strings.Repeat("#end", 5), ErrLimit},
		{"doubling string", "#set($s='x')#foreach($i in [1..100])#set($s=$s+$s)#end", ErrLimit},
		{"doubling text", "#set($s='x')#foreach($i in [1..100])#set($s=\"$s$s\")#end", ErrLimit},
		{"doubling list", "#set($l=[1])#foreach($i in [1..100])#set($d=$l.addAll($l))#end", ErrLimit},
		{"doubling number", "#set($n=9999999999)#foreach($i in [1..1000])#set($n=$n*$n)#end", ErrLimit},
		{"huge range", "#set($l=[1..2000000000])", ErrLimit},
		{"huge width", "$input.body.format('%2000000000d',1)", ErrLimit},
		{"huge precision", "$input.body.format('%.999999999f',1.0)", ErrLimit},
		{"huge repetition", "$input.body.repeat(2000000000)", ErrLimit},
		{"exponential macros", "#macro(m $p)#n(\"$p$p$p$p\")#end" + "#macro(n $p)#o(\"$p$p$p$p\")#end#macro(o $p)#q(\"$p$p$p$p\")#end#macro(q $p)#r(\"$p$p$p$p\")#end#macro(r $p)#s(\"$p$p$p$p\")#end#macro(s $p)#t(\"$p$p$p$p\")#end#macro(t $p)#u(\"$p$p$p$p\")#end#macro(u $p)#v(\"$p$p$p$p\")#end#macro(v $p)$p$p$p$p#end#foreach($i in [1..1000])#m('xxxxxxxxxx')#end", ErrLimit},
		{"printing shared values", "#set($l=['x'])#foreach($i in [1..60])#set($l=[$l,$l])#end$l", ErrLimit},
		{"comparing shared values", "#set($a=['x'])#set($b=['x'])#foreach($i in [1..60])#set($a=[$a,$a])#set($b=[$b,$b])#end#if($a==$b)x#end", ErrLimit},
		{"hashing shared values", "#set($a=['x'])#foreach($i in [1..60])#set($a=[$a,$a])#end$a.hashCode()", ErrLimit},
		{"values that contain each other", "#set($a=[])#set($b=[$a])#set($d=$a.add($b))$a", ErrLimit},
		{"values deep in each other", "#set($a=[])#foreach($i in [1..900])#set($a=[$a])#end$a", ErrLimit},
		{"a regular expression that backtracks", "#set($s='aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')$s.matches('(a+)+b')", ErrLimit},
		{"a regular expression that backtracks by reference", "#set($s='aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')$s.replaceAll('(a*)*\\1b','')", ErrLimit},
		{"a regular expression that eats memory", "#set($s=$input.body.repeat(60000))$s.matches('(.|.)*z')", ErrLimit},
		{"replacing nothing by much", "#set($s=$input.body.repeat(9000))$s.replaceAll('',$s)", ErrLimit},
		{"replacing text by much", "#set($s=$input.body.repeat(9000))$s.replace('1',$s)", ErrLimit},
		{"replacing literally by much", "#set($s=$input.body.repeat(9000))$s.replaceAll('1',$s)", ErrLimit},
		{"joining much", "#set($s=$input.body.repeat(90000))$s.join($s,[$s,$s,$s,$s,$s,$s,$s,$s,$s,$s,$s,$s,$s])", ErrLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := render(t, tt.template, Limits{})
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an error", err)
			}
			if e.Kind != tt.kind || e.Line < 1 || e.Column < 1 {
				t.Errorf("got %v, want a place and: %v", err, tt.kind)
			}
		})
	}
}

func TestLimitsGiven(t *testing.T) {
	tests := []struct {
		name, template string
		limits         Limits
		want           string // or the error's text
	}{
		{"iterations end silently", "#foreach($i in [1..9])$i#end", Limits{Iterations: 3}, "123"},
		{"depth of macros", "#macro(a)#b()#end#macro(b)x#end#a()", Limits{MacroDepth: 1}, "macro calls nested deeper than 1"},
		{"output", "12345678#if(true)9#end", Limits{Output: 8}, "more than 8 bytes of output"},
		{"output of references", "#set($x='12345678')$x$x", Limits{Output: 9}, "more than 9 bytes of output"},
		{"steps", "#foreach($i in [1..9])$i#end", Limits{Steps: 10}, "more than 10 render steps"},
		{"steps of expressions", "#set($x=$a+$a+$a+$a+$a+$a)", Limits{Steps: 5}, "more than 5 render steps"},
		{"steps of regular expressions", "#set($s='aaaaaaaaaaaaaaaaaaaaaaa')$s.matches('(a*)*b')", Limits{RegexSteps: 50}, "takes too many steps"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := render(t, tt.template, tt.limits)
			if err != nil {
				out = err.Error()
			}
			if !strings.Contains(out, tt.want) {
				t.Errorf("got %q, want %q", out, tt.want)
			}
		})
	}
}

// TestBadInput: text that is not UTF-8 passes, and lone halves of pairs are written as Java's encoder writes them.
func TestBadInput(t *testing.T) {
	tests := []struct{ template, want string }{
		{"a\xff\xfe$nope\xc3", "a\xff\xfe\xc3"},
		{"#set($x='\xff')$x.length()$x", "1\xff"},
		{"#set($x='a😀b')$x.substring(1,2)", "?"},
		{"#set($x='a😀b')$x.substring(2,3)b", "?b"},
		{"#set($x='a😀b')$x.substring(1,2)$x.substring(2,3)", "😀"},
		{"#set($x='\xed\xa0\xbd')$x$x.length()", "?1"},
		{"\xf0\x9f#if(true)\x98#end\xed", "\xf0\x9f\x98\xed"},
	}
	for _, tt := range tests {
		if out, err := render(t, tt.template, Limits{}); err != nil || out != tt.want {
			t.Errorf("%q: got %q, %v, want %q", tt.template, out, err, tt.want)
		}
	}
}

// TestPrintingCosts: what prints a long list pays for each byte once, however many elements there are.
func TestPrintingCosts(t *testing.T) {
	items := make([]Value, 100_000)
	for i := range items {
		items[i] = StringValue("an element")
	}
	for _, list := range []*List{NewList(items...), NewJSONArray(items...)} {
		p, err := CompileText("$l", Options{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Render([]Variable{{"l", ListValue(list)}}, Limits{Steps: 300_000}, nil)
		if err != nil || len(out) < 12*len(items) {
			t.Errorf("%d bytes, %v", len(out), err)
		}
	}
	x := vector{Body: `["` + strings.Repeat("x", DefaultOutput) + `"]`}
	for _, template := range []string{"$input.body", "$input.json('$')", "$input.path('$')", "$input.path('$')[0].concat('x')"} {
		p, err := CompileText(template, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var e *Error
		if _, err = p.Render(x.variables(p.Uses), Limits{}, nil); !errors.As(err, &e) || e.Kind != ErrLimit || e.Line != 1 {
			t.Errorf("%s of 10 MB: %v", template, err)
		}
	}
}
