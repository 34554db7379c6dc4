package vtl

import "errors"

// receiver is a type as far as methods are concerned.
type receiver uint8

const (
	onString receiver = iota
	onInteger
	onLong
	onDouble
	onBoolean
	onCharacter
	onBigInteger
	onBigDecimal
	onList
	onArray
	onMap
	onSet    // keySet(), entrySet()
	onValues // values()
	onObject
	receivers
)

func receiverOf(v Value) receiver {
	switch v.kind {
	case String:
		return onString
	case Integer:
		return onInteger
	case Long:
		return onLong
	case Double:
		return onDouble
	case Boolean:
		return onBoolean
	case Character:
		return onCharacter
	case BigInteger:
		return onBigInteger
	case BigDecimal:
		return onBigDecimal
	case MapKind:
		return onMap
	case ListKind:
		if v.List().class.isArray() {
			return onArray
		}
		return onList
	}
	if w, ok := v.any().(*view); ok {
		if w.of == viewValues {
			return onValues
		}
		return onSet
	}
	return onObject
}

// method is one overload. Params has a letter for each parameter, see accepts; a final "*" lets the last one repeat.
// Overloads of a name stand in the order in which they are tried: the more specific first.
type method struct {
	name   string
	params string
	call   func(r *renderer, self Value, args []Value) (Value, error)
}

// methodSet is all methods of one name, by receiver.
type methodSet [receivers][]method

// methodTable holds every method of the language's own types. The compiler looks names up once.
var methodTable = buildMethodTable()

func buildMethodTable() map[string]*methodSet {
	table := map[string]*methodSet{}
	add := func(methods []method, on ...receiver) {
		for _, m := range methods {
			if table[m.name] == nil {
				table[m.name] = &methodSet{}
			}
			for _, to := range on {
				set := table[m.name]
				set[to] = append(set[to], m)
			}
		}
	}
	add(stringMethods, onString)
	add(numberMethods, onInteger, onLong, onDouble, onBigInteger, onBigDecimal)
	add(integerMethods, onInteger)
	add(longMethods, onLong)
	add(doubleMethods, onDouble)
	add(booleanMethods, onBoolean)
	add(characterMethods, onCharacter)
	add(bigMethods, onBigInteger)
	add(collectionMethods, onList, onArray, onSet, onValues)
	add(functionMethods("F", "forEach", "removeIf"), onList, onArray, onSet, onValues)
	add(functionMethods("F", "replaceAll"), onList, onArray, onMap)
	add(functionMethods("F", "forEach"), onMap)
	add(functionMethods("OF", "compute", "computeIfAbsent", "computeIfPresent"), onMap)
	add(functionMethods("OOF", "merge"), onMap)
	add(listMethods, onList)
	add(arrayMethods, onArray)
	add(viewMethods, onSet, onValues)
	add(mapMethods, onMap)
	add(objectMethods, onString, onInteger, onLong, onDouble, onBoolean, onCharacter, onBigInteger, onBigDecimal,
		onList, onArray, onMap, onSet, onValues, onObject)
	return table
}

// functionMethods take a function, which a template can only give as null: that fails, and anything else does not fit.
func functionMethods(params string, names ...string) []method {
	var list []method
	for _, name := range names {
		list = append(list, method{name, params, func(*renderer, Value, []Value) (Value, error) { return Value{}, errNull }})
	}
	return list
}

// objectMethods every value has.
var objectMethods = []method{
	{"toString", "", func(r *renderer, self Value, _ []Value) (Value, error) {
		return StringValue(r.printed(self, "")), r.err
	}},
	{"equals", "O", func(r *renderer, self Value, args []Value) (Value, error) {
		return BoolValue(equalValues(self, args[0], &r.meter)), nil
	}},
	{"hashCode", "", func(r *renderer, self Value, _ []Value) (Value, error) {
		return IntValue(int64(hashCode(self, &r.meter))), nil
	}},
	{"getClass", "", func(_ *renderer, self Value, _ []Value) (Value, error) {
		return classOf(self), nil
	}},
}

// accepts reports whether a parameter takes a value (spec/vtl.md 6.1): numbers widen and never narrow, strings never
// convert, null fits any object.
func accepts(param byte, v Value) bool {
	switch param {
	case 'I': // int
		return v.kind == Integer
	case 'J': // long
		return v.kind == Integer || v.kind == Long
	case 'D': // double
		return v.kind == Integer || v.kind == Long || v.kind == Double
	case 'Z': // boolean
		return v.kind == Boolean
	case 'C': // char
		return v.kind == Character
	case 'O': // Object
		return true
	}
	if v.kind == Null {
		return true // of 'F', a function, nothing else is
	}
	switch param {
	case 'S': // String, CharSequence
		return v.kind == String
	case 'i': // Integer
		return v.kind == Integer
	case 'j': // Long
		return v.kind == Long
	case 'd': // Double
		return v.kind == Double
	case 'z': // Boolean
		return v.kind == Boolean
	case 'B': // BigInteger
		return v.kind == BigInteger
	case 'L': // Collection
		_, isView := v.any().(*view)
		return isView || v.kind == ListKind && !v.List().class.isArray()
	case 'A': // Object[]
		return v.kind == ListKind && (v.List().class == array || v.List().class == fixed)
	case 'M': // Map
		return v.kind == MapKind
	}
	return false
}

func (m *method) applies(args []Value) bool {
	n := len(m.params)
	if n > 0 && m.params[n-1] == '*' {
		fixed := n - 2
		if len(args) < fixed {
			return false
		}
		for i, v := range args {
			if !accepts(m.params[min(i, fixed)], v) {
				return false
			}
		}
		return true
	}
	if n != len(args) {
		return false
	}
	for i, v := range args {
		if !accepts(m.params[i], v) {
			return false
		}
	}
	return true
}

// invoke calls a method. A name that nobody has, or arguments that no overload takes, give null; but a method without
// parameters takes any arguments as far as the choice is concerned, and then fails (spec/vtl.md 6.1).
func (r *renderer) invoke(v Value, name string, methods *methodSet, args []Value) (Value, error) {
	if r.steps--; r.steps < 0 {
		return Value{}, r.exhausted()
	}
	to := receiverOf(v)
	if to == onObject {
		found, ok, err := v.Object().Call(name, args)
		if ok || err != nil {
			return found, err
		}
	}
	if methods == nil {
		return Value{}, nil
	}
	if l, ok := v.any().(*loop); ok { // $foreach is a map, too
		v, to = MapValue(l.store()), onMap
	}
	if c, ok := v.any().(class); ok {
		return r.static(c, methods, args)
	}
	m, err := methods.choose(to, args)
	if m == nil {
		return Value{}, err
	}
	return m.call(r, v, args)
}

// choose finds the overload that takes the arguments.
func (set *methodSet) choose(to receiver, args []Value) (*method, error) {
	empty := false
	candidates := set[to]
	for i := range candidates {
		m := &candidates[i]
		if m.applies(args) {
			return m, nil
		}
		empty = empty || m.params == ""
	}
	if empty {
		return nil, errArguments
	}
	return nil, nil
}

var errNoInstance = errors.New("IllegalArgumentException: the method needs an instance")

// static calls a method of a type through its class; one that needs an instance fails.
func (r *renderer) static(c class, methods *methodSet, args []Value) (Value, error) {
	if c.of == onArray {
		return Value{}, nil // Velocity lends an array methods, not its class
	}
	m, err := methods.choose(c.of, args)
	switch {
	case m == nil:
		return Value{}, err
	case c.of == onObject && m.name != "toString":
		return m.call(r, ObjectValue(c), args) // what a type has only inherited its class has, too
	case !m.isStatic(c.of):
		return Value{}, errNoInstance
	}
	return m.call(r, Value{}, args)
}

func (m *method) isStatic(of receiver) bool {
	switch of {
	case onString, onBigInteger:
		return m.name == "valueOf" || m.name == "copyValueOf" || m.name == "format" || m.name == "join"
	case onInteger, onLong, onDouble, onBoolean, onCharacter:
		return m.params != "" && m.name != "compareTo" && m.name != "equals"
	}
	return false
}

// done is the result of a method that has none: the empty string, in the stock mode too.
func done() (Value, error) { return StringValue(""), nil }

// none is null, the result of a method that has found nothing.
func none() (Value, error) { return Value{}, nil }

var errCast = errors.New("ClassCastException")

// comparableTo guards compareTo, which takes anything and fails when it is not of the same type.
func comparableTo(kind Kind, v Value) error {
	switch v.kind {
	case kind:
		return nil
	case Null:
		return errNull
	}
	return errCast
}

var errIndex = errors.New("index out of range")

// outOfRange is Java's IndexOutOfBoundsException.
func outOfRange() (Value, error) { return Value{}, errIndex }
