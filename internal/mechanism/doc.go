// Package mechanism holds the rules of koinon's economy as pure functions: in
// goes the state that a rule needs, out comes the state that follows or a named
// refusal. Nothing here reads a clock, a store or a map in its own order, and
// all amounts are whole micro-units: ucredit, millionths of a dollar, and
// ukoin. The ledger only loads, calls and stores.
package mechanism
