package template

import (
	"errors"
	"fmt"

	"github.com/nikolalohinski/gonja/v2"
	controls "github.com/nikolalohinski/gonja/v2/builtins/control_structures"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// controlStructures are those that a template may use: none that reads a file
// and no macro, whose recursion would end the process.
func controlStructures() *exec.ControlStructureSet {
	allowed := map[string]parser.ControlStructureParser{
		"if": confined("if", confineIf), "for": confined("for", confineFor), "do": confined("do", confineDo), "set": parseSet,
	}
	for _, name := range []string{"raw", "break", "continue"} {
		allowed[name], _ = gonja.DefaultEnvironment.ControlStructures.Get(name)
	}
	return exec.NewControlStructureSet(allowed)
}

// confined is a parser whose result takes a step each time that it is executed,
// and whose expressions are confined.
func confined[S exec.ControlStructure](name string, confine func(S) error) parser.ControlStructureParser {
	parse, _ := gonja.DefaultEnvironment.ControlStructures.Get(name)
	return func(p, arguments *parser.Parser) (nodes.ControlStructure, error) {
		parsed, err := parse(p, arguments)
		if err != nil {
			return nil, err
		}
		structure, ok := parsed.(S)
		if !ok {
			return nil, fmt.Errorf("%s is a %T", name, parsed)
		}
		return counted{structure}, confine(structure)
	}
}

// counted is a control structure that takes a step.
type counted struct{ exec.ControlStructure }

// Execute runs it.
func (c counted) Execute(r *exec.Renderer, block *nodes.ControlStructureBlock) error {
	if err := budgetOf(r.Environment.Context).spend(0); err != nil {
		return err
	}
	return c.ControlStructure.Execute(r, block)
}

func confineIf(s *controls.IfControlStructure) error {
	c := newConfinement()
	c.all(s.Conditions)
	if c.failed != nil {
		return c.failed
	}
	return confineWrappers(s.Wrappers...)
}

func confineFor(s *controls.ForControlStructure) error {
	if s.Recursive {
		return errors.New("recursive loops are not supported")
	}
	c := newConfinement()
	s.ObjectEvaluator, s.IfCondition = apply(c.expression(s.ObjectEvaluator), filterLoop), c.optional(s.IfCondition)
	if c.failed != nil {
		return c.failed
	}
	return confineWrappers(s.BodyWrapper, s.EmptyWrapper)
}

func confineDo(s *controls.DoControlStructure) error {
	c := newConfinement()
	s.Expression = c.taken(s.Expression)
	return c.failed
}

func confineWrappers(wrappers ...*nodes.Wrapper) error {
	for _, w := range wrappers {
		if w == nil {
			continue
		}
		if err := confineNodes(w.Nodes); err != nil {
			return err
		}
	}
	return nil
}

// set is {% set %}. The library's hides its expressions, and takes any length of
// what a block writes.
type set struct {
	location                            *tokens.Token
	target, value, condition, otherwise nodes.Expression
	body                                *nodes.Wrapper
}

// Position is where it stands.
func (s *set) Position() *tokens.Token { return s.location }

// String names it in errors.
func (s *set) String() string { return "set" }

func parseSet(p, arguments *parser.Parser) (nodes.ControlStructure, error) {
	s := &set{location: p.Current()}
	target, err := arguments.ParseVariableOrLiteral()
	if err != nil {
		return nil, err
	}
	c := newConfinement()
	switch n := target.(type) {
	case *nodes.Name:
		s.target = n
	case *nodes.GetAttribute, *nodes.GetItem:
		s.target = c.expression(n)
	default:
		return nil, fmt.Errorf("set of %s, which is no variable", target)
	}
	if arguments.Match(tokens.Assign) == nil {
		if s.body, arguments, err = p.WrapUntil("endset"); err == nil {
			err = confineWrappers(s.body)
		}
	} else if s.value, err = arguments.ParseExpression(); err == nil {
		s.value = c.taken(s.value)
		s.condition, s.otherwise, err = arguments.ParseCondition()
	}
	switch {
	case err != nil:
		return nil, err
	case !arguments.End():
		return nil, arguments.Error("set has more than a value", arguments.Current())
	case s.condition != nil && s.otherwise == nil:
		return nil, errors.New("set with a condition needs an else")
	}
	if s.condition != nil {
		s.condition, s.otherwise = c.expression(s.condition), c.taken(s.otherwise)
	}
	return s, c.failed
}

// Execute sets the variable.
func (s *set) Execute(r *exec.Renderer, _ *nodes.ControlStructureBlock) error {
	spent := budgetOf(r.Environment.Context)
	if err := spent.spend(0); err != nil {
		return err
	}
	value, err := s.evaluate(r, spent)
	if err != nil {
		return err
	}
	var object *exec.Value
	switch n := s.target.(type) {
	case *nodes.Name:
		r.Environment.Context.Set(n.Name.Val, value.Interface())
		return nil
	case *nodes.GetAttribute:
		object = r.Eval(n.Node)
		err = assign(object, exec.AsValue(n.Attribute), value)
	case *nodes.GetItem:
		object = r.Eval(n.Node)
		err = assign(object, r.Eval(n.Arg), value)
	}
	if err != nil {
		return err
	}
	return spent.take(object) // it may now contain itself
}

func assign(object, key, value *exec.Value) error {
	for _, v := range []*exec.Value{object, key} {
		if v.IsError() {
			return v
		}
	}
	return object.Set(key, value.Interface())
}

func (s *set) evaluate(r *exec.Renderer, spent *budget) (*exec.Value, error) {
	if s.body != nil {
		sub, out := r.Inherit(), &limited{budget: spent}
		sub.Output = out
		err := sub.ExecuteWrapper(s.body)
		return exec.AsSafeValue(string(out.text)), err
	}
	expression := s.value
	if s.condition != nil {
		condition := r.Eval(s.condition)
		if condition.IsError() {
			return nil, condition
		}
		if !condition.IsTrue() {
			expression = s.otherwise
		}
	}
	value := r.Eval(expression)
	if value.IsError() {
		return nil, value
	}
	return value, nil
}
