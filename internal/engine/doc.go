// Package engine is the reference engine: a Llama-family decoder whose answers
// are the same bits on every machine, for the same file, prompt and parameters.
// It is what providers of verification class "exact" serve with, and what an
// auditor re-runs.
package engine
