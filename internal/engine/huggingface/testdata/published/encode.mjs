// Reads {texts, names} as JSON and writes the ids of each text with each of the
// published tokenizers of these names, without marks of beginning and end.
import {readFileSync} from "node:fs";
import {text} from "node:stream/consumers";
import {TokenizerLoader} from "@lenml/tokenizers";

const {texts, names} = JSON.parse(await text(process.stdin));
const read = (name, file) => JSON.parse(readFileSync(`node_modules/@lenml/tokenizer-${name}/models/${file}`));
process.stdout.write(JSON.stringify(names.map((name) => {
    const tokenizer = TokenizerLoader.fromPreTrained({
        tokenizerJSON: read(name, "tokenizer.json"), tokenizerConfig: read(name, "tokenizer_config.json"),
    });
    return texts.map((line) => tokenizer.encode(line, {add_special_tokens: false}));
})));
