// Reads {texts, paths} as JSON and writes what llama.cpp makes of the texts with
// the vocabulary of each GGUF file: their token ids without and with special
// tokens, and the ids of the tokens that end an answer.
import {text} from "node:stream/consumers";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const input = JSON.parse(await text(process.stdin));
const llama = await getLlama({build: "never", gpu: false, logLevel: LlamaLogLevel.disabled});
const results = [];
for (const modelPath of input.paths) {
    const model = await llama.loadModel({modelPath, vocabOnly: true});
    const encode = (special) => input.texts.map((line) => model.tokenize(line, special).map(Number));
    const size = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
    const ends = [...Array(size).keys()].filter((id) => model.isEogToken(id));
    results.push({plain: encode(false), special: encode(true), ends});
    await model.dispose();
}
process.stdout.write(JSON.stringify(results));
await llama.dispose();
