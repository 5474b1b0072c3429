package grammar

// JSON is the grammar of a JSON object (RFC 8259), for answers that must be one.
// It leaves out what is no help: white space without bound, numbers that no
// float64 holds, and escapes of surrogates.
const JSON = `root   ::= object
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" space ( member ( "," space member )* )? "}"
member ::= string ":" space value space
array  ::= "[" space ( value space ( "," space value space )* )? "]"
` + JSONTerminals

// JSONTerminals are rules that grammars of JSON share: string, char, number,
// integral and space.
const JSONTerminals = `string ::= "\"" char* "\""
char   ::= [^"\\\x00-\x1f\x7f] | "\\" ( ["\\/bfnrt] | "u" ( [0-9a-cA-CefEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2} ) )
number ::= integral ( "." [0-9]{1,16} )? ( [eE] [-+]? [0-9]{1,2} )?
integral ::= "-"? ( "0" | [1-9] [0-9]{0,15} )
space  ::= ( " " | "\n" [ \t]{0,20} )?
`
