// Package schema turns a JSON Schema (draft 2020-12, and what is common of older
// ones) into a grammar whose texts are JSON that the schema allows.
//
// The grammar may allow less than the schema: the properties of an object come
// in the order in which they are declared; others come only where
// additionalProperties asks for them, or if none is declared; a tuple is
// complete unless minItems says that it may be shorter; white space, digits and
// exponents are bounded. It never allows more: a keyword that it cannot keep is
// refused by name and place. Annotations are ignored, as are keywords for types
// that the schema does not allow.
package schema
