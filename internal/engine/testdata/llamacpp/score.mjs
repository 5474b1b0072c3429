// Reads {model, texts, continuations} as JSON and writes what llama.cpp makes of
// them: the token ids of each text, and the log-probability of each token of a
// continuation but the first.
import {readFileSync} from "node:fs";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const input = JSON.parse(readFileSync(0, "utf8"));
const llama = await getLlama({build: "never", gpu: false, logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath: input.model});
const ids = input.texts.map((text) => model.tokenize(text, false, "trimLeadingSpace").map(Number));
// Keys and values in float32, as ours are: llama.cpp's default of float16 alone
// moves log-probabilities by 1.5e-3.
const context = await model.createContext({contextSize: 512, sequences: 1,
    experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"});
const options = {temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1};
const logprobs = [];
// One sequence, cleared: a disposed one is only given back some time later.
const sequence = context.getSequence();
for (const tokens of input.continuations) {
    await sequence.clearHistory();
    const items = tokens.slice(0, -1).map((token) => [token, {generateNext: {probabilities: true, options}}]);
    const output = await sequence.controlledEvaluate(items);
    logprobs.push(output.map((step, i) => Math.log(step.next.probabilities.get(tokens[i + 1]))));
}
process.stdout.write(JSON.stringify({ids, logprobs}));
await llama.dispose();
