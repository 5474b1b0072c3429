// Reads [{path, texts}], with texts as token ids, as JSON and writes llama.cpp's
// vector of each text, pooled as the model's file says.
import {text} from "node:stream/consumers";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const models = JSON.parse(await text(process.stdin));
const llama = await getLlama({build: "never", gpu: false, logLevel: LlamaLogLevel.error});
const results = [];
for (const {path, texts} of models) {
    const model = await llama.loadModel({modelPath: path});
    const context = await model.createEmbeddingContext({contextSize: 512, batchSize: 512, threads: 1});
    const vectors = [];
    for (const tokens of texts)
        vectors.push((await context.getEmbeddingFor(tokens)).vector);
    results.push(vectors);
    await context.dispose();
    await model.dispose();
}
process.stdout.write(JSON.stringify(results));
await llama.dispose();
