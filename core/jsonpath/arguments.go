package jsonpath

// arguments reads what stands between the parentheses of a function, the cursor being behind the first, and leaves the cursor
// behind the last. As in the library an argument that begins neither a path nor a JSON number, string or object is dropped.
func (p *parser) arguments() ([]argument, *Error) {
	var args []argument
	for {
		for c := p.current(); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = p.current() {
			p.pos++
		}
		from := p.pos
		closing, ok := p.argument()
		if !ok {
			return nil, p.fail(from, "argument is not closed")
		}
		arg, err := p.read(from, p.pos)
		if err != nil {
			return nil, err
		}
		if arg != nil {
			args = append(args, *arg)
		}
		p.pos++
		if closing {
			return args, nil
		}
	}
}

// argument moves the cursor to the comma or parenthesis that ends the argument.
func (p *parser) argument() (closing, ok bool) {
	for depth := 0; p.inBounds(); p.pos++ {
		switch c := p.current(); c {
		case '"':
			if p.pos = p.unescaped(p.pos, c); p.pos < 0 {
				return false, false
			}
		case '(', '[', '{':
			depth++
		case ',':
			if depth == 0 {
				return false, true
			}
		case ')', ']', '}':
			if depth == 0 {
				return true, c == ')'
			}
			depth--
		}
	}
	return false, false
}

func (p *parser) read(from, to int) (*argument, *Error) {
	text := p.text[from:to]
	switch c := p.at(from); {
	case from == to:
		return nil, nil
	case c == '$' || c == '@':
		path, err := parseNested(text, p.offset+from, p.nesting+1)
		return &argument{path: path}, err
	case c == '{' || c == '"' || c == '-' || isDigit(c):
		value, err := parseLenient(text)
		if err != nil {
			return nil, p.fail(from+err.Position, err.Message)
		}
		return &argument{value: value}, nil
	}
	return nil, nil
}
