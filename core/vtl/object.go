package vtl

// Object is something the host puts into a template's world: $input and $util are objects. An object that prints has the
// method AppendText too, one that can be assigned to has SetProperty; ClassName gives .class.name. An object may be used
// by one render at a time only, unless it says otherwise.
type Object interface {
	// Property is the value of .name; false when there is none.
	Property(name string) (Value, bool)
	// Call calls a method. False means that there is no such method or that it does not take these arguments, which is no
	// failure but an invalid reference. The arguments belong to the caller again when Call returns.
	Call(name string, args []Value) (Value, bool, error)
}

// Printer is an Object that prints; one that is none prints as nothing.
type Printer interface {
	AppendText(dst []byte) []byte
}

// PropertySetter is an Object with properties that can be assigned.
type PropertySetter interface {
	// SetProperty is #set($object.name = v); false when there is no such property.
	SetProperty(name string, v Value) bool
}

// sequence is an object of the language's own that #foreach can walk.
type sequence interface {
	iterator() *iterator
}

// iterator walks over elements; it is Java's Iterator too.
type iterator struct {
	next func(i int) (Value, bool) // element i; false behind the end
	at   int
	over *Map // of a view, with its size when the walk began
	size int
}

func (it *iterator) hasNext() bool {
	if it.over != nil {
		return it.at < it.size // as it was when the last element was taken: what is added later is not seen
	}
	_, ok := it.next(it.at)
	return ok
}

func (it *iterator) take() (Value, bool) {
	v, ok := it.next(it.at)
	if ok {
		it.at++
	}
	return v, ok
}

// Property: an iterator has none.
func (it *iterator) Property(string) (Value, bool) { return Value{}, false }

// Call is hasNext and next.
func (it *iterator) Call(name string, args []Value) (Value, bool, error) {
	switch name {
	case "hasNext":
		return BoolValue(it.hasNext()), true, noArguments(args)
	case "next":
		v, ok := it.take()
		if !ok {
			return Value{}, true, errNoSuchElement
		}
		return v, true, noArguments(args)
	case "remove":
		return Value{}, true, errUnsupported
	}
	return Value{}, false, nil
}

func (it *iterator) ClassName() string { return "java.util.ArrayList$Itr" }

func (it *iterator) iterator() *iterator { return it }

// class is what .class gives. Of reflection only the name can be reached, and through it the static methods of the type.
type class struct {
	name string
	of   receiver
}

// classOf is the class of a value. A loop has the methods of a map.
func classOf(v Value) Value {
	of := receiverOf(v)
	if _, ok := v.any().(*loop); ok {
		of = onMap
	}
	return ObjectValue(class{v.className(), of})
}

func (c class) Property(name string) (Value, bool) {
	if name == "name" || name == "Name" {
		return StringValue(c.name), true
	}
	return Value{}, false
}

func (c class) Call(name string, args []Value) (Value, bool, error) {
	switch name {
	case "getName":
		return StringValue(c.name), true, noArguments(args)
	case "getClass":
		return classOf(ObjectValue(c)), true, noArguments(args)
	}
	return Value{}, false, nil
}

func (c class) AppendText(dst []byte) []byte { return append(append(dst, "class "...), c.name...) }

func (c class) ClassName() string { return "java.lang.Class" }
