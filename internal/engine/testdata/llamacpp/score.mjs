// Reads {texts, models: [{path, continuations}]} as JSON and writes what
// llama.cpp makes of them: for each model the token ids of each text, and the
// log-probability of each token of a continuation but the first.
import {text} from "node:stream/consumers";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const input = JSON.parse(await text(process.stdin));
const llama = await getLlama({build: "never", gpu: false, logLevel: LlamaLogLevel.error});
const options = {temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1};
const results = [];
for (const {path, continuations} of input.models) {
    const model = await llama.loadModel({modelPath: path});
    const ids = input.texts.map((line) => model.tokenize(line, false, "trimLeadingSpace").map(Number));
    // Keys and values in float32, as ours are: llama.cpp's default of float16 alone
    // moves log-probabilities by 1.5e-3.
    const context = await model.createContext({contextSize: 512, sequences: 1, threads: 1,
        experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"});
    const logprobs = [];
    // One sequence, cleared: a disposed one is only given back some time later.
    const sequence = context.getSequence();
    for (const tokens of continuations) {
        await sequence.clearHistory();
        const items = tokens.slice(0, -1).map((token) => [token, {generateNext: {probabilities: true, options}}]);
        const output = await sequence.controlledEvaluate(items);
        logprobs.push(output.map((step, i) => Math.log(step.next.probabilities.get(tokens[i + 1]))));
    }
    results.push({ids, logprobs});
    await context.dispose();
    await model.dispose();
}
process.stdout.write(JSON.stringify(results));
await llama.dispose();
