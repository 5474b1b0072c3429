package template

import (
	"fmt"

	"github.com/nikolalohinski/gonja/v2/nodes"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// maxDepth is how deep expressions may nest; each operand of a sum is one more.
const maxDepth = 200

// Filters that only confinement applies; no template can write their names.
const (
	filterHandle = " handle" // spends what it takes to go over a value
	filterTake   = " take"   // refuses values that are too large
	filterTimes  = " times"  // multiplies
	filterEnd    = " end"    // counts elements from the end
)

// confinement rewrites expressions so that what they handle and make is counted.
type confinement struct {
	depth  int
	done   map[nodes.Node]nodes.Node // a method's object is there twice
	failed error
}

// confineNodes rewrites the expressions that are written out. Those of control
// structures are rewritten as these are parsed.
func confineNodes(list []nodes.Node) error {
	c := newConfinement()
	for _, node := range list {
		if out, ok := node.(*nodes.Output); ok {
			out.Expression, out.Condition = c.taken(out.Expression), c.optional(out.Condition)
			if out.Alternative != nil {
				out.Alternative = c.taken(out.Alternative)
			}
		}
	}
	return c.failed
}

func newConfinement() *confinement { return &confinement{done: map[nodes.Node]nodes.Node{}} }

// apply appends a filter to an expression.
func apply(e nodes.Expression, filter string, arguments ...nodes.Expression) nodes.Expression {
	token := e.Position()
	return &nodes.FilteredExpression{Expression: e, Filters: []*nodes.FilterCall{{Token: token, Name: filter, Args: arguments}}}
}

// taken is an expression whose value is bounded.
func (c *confinement) taken(e nodes.Expression) nodes.Expression {
	return apply(c.expression(e), filterTake)
}

// handled is an expression whose value something goes over.
func (c *confinement) handled(e nodes.Expression) nodes.Expression {
	return apply(c.expression(e), filterHandle)
}

func (c *confinement) optional(e nodes.Expression) nodes.Expression {
	if e == nil {
		return nil
	}
	return c.expression(e)
}

func (c *confinement) all(list []nodes.Expression) {
	for i, e := range list {
		list[i] = c.expression(e)
	}
}

func (c *confinement) named(list map[string]nodes.Expression) {
	for name, e := range list {
		list[name] = c.expression(e)
	}
}

// expression rewrites an expression, once.
func (c *confinement) expression(e nodes.Expression) nodes.Expression {
	if done, ok := c.done[e]; ok {
		return done
	}
	if c.depth++; c.depth > maxDepth && c.failed == nil {
		c.failed = fmt.Errorf("an expression is more than %d deep", maxDepth)
	}
	if c.failed != nil {
		return e
	}
	rewritten := c.rewrite(e)
	c.depth--
	c.done[e], c.done[rewritten] = rewritten, rewritten
	return rewritten
}

func (c *confinement) rewrite(e nodes.Expression) nodes.Expression {
	switch n := e.(type) {
	case *nodes.None, *nodes.String, *nodes.Integer, *nodes.Float, *nodes.Bool, *nodes.Name:
	case *nodes.List:
		c.all(n.Val)
		return apply(n, filterTake)
	case *nodes.Tuple:
		c.all(n.Val)
		return apply(n, filterTake)
	case *nodes.Dict:
		for _, pair := range n.Pairs {
			pair.Key, pair.Value = c.expression(pair.Key), c.expression(pair.Value)
		}
		return apply(n, filterTake)
	case *nodes.Call:
		return c.call(n)
	case *nodes.GetItem:
		if isNegative(n.Arg) {
			return apply(c.handled(n.Node), filterEnd, c.expression(n.Arg))
		}
		n.Node, n.Arg = c.handled(n.Node), c.optional(n.Arg)
	case *nodes.GetSlice:
		n.Node = c.handled(n.Node)
		n.Start, n.End, n.Step = c.optional(n.Start), c.optional(n.End), c.optional(n.Step)
	case *nodes.GetAttribute:
		n.Node = c.expression(n.Node)
	case *nodes.Negation:
		n.Term = c.expression(n.Term)
	case *nodes.UnaryExpression:
		n.Term = c.expression(n.Term)
	case *nodes.BinaryExpression:
		return c.binary(n)
	case *nodes.FilteredExpression:
		n.Expression = c.expression(n.Expression)
		for _, f := range n.Filters {
			c.all(f.Args)
			c.named(f.Kwargs)
		}
	case *nodes.TestExpression:
		n.Expression = c.handled(n.Expression)
		c.all(n.Test.Args)
		c.named(n.Test.Kwargs)
	default:
		c.failed = fmt.Errorf("expressions of kind %T are not supported", n)
	}
	return e
}

// isNegative holds for numbers written with a sign: the library finds no first
// element counted from the end.
func isNegative(e nodes.Expression) bool {
	u, ok := e.(*nodes.UnaryExpression)
	if !ok || !u.Negative {
		return false
	}
	_, ok = u.Term.(*nodes.Integer)
	return ok
}

// call rewrites a call. The library computes a method's object twice, first to
// look for a value of that name; but only what has a name has such values.
func (c *confinement) call(n *nodes.Call) nodes.Expression {
	c.all(n.Args)
	c.named(n.Kwargs)
	method, ok := n.Func.(*nodes.GetAttribute)
	if !ok {
		n.Func = c.expression(n.Func)
		return apply(n, filterTake)
	}
	object := method.Node
	if _, ok := object.(*nodes.Name); ok {
		method.Node = c.taken(object) // n.Parent stays a name, as methods may change it
		return apply(n, filterTake)
	}
	method.Node, n.Parent = &nodes.None{Location: object.Position()}, c.taken(object)
	return apply(n, filterTake)
}

func (c *confinement) binary(n *nodes.BinaryExpression) nodes.Expression {
	switch n.Operator.Token.Type {
	case tokens.And, tokens.Or:
		n.Left, n.Right = c.expression(n.Left), c.expression(n.Right)
		return n
	case tokens.Multiply:
		return apply(c.expression(n.Left), filterTimes, c.expression(n.Right))
	}
	// Both sides may be written out as text to be joined or compared.
	n.Left, n.Right = c.taken(n.Left), c.taken(n.Right)
	if t := n.Operator.Token.Type; t == tokens.Addition || t == tokens.Tilde {
		return apply(n, filterTake)
	}
	return n
}
