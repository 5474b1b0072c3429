// Uses the Responses API and embeddings through OpenAI's own client.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 }); // address and key from the environment
const result = {};
const tools = [{ type: "function", name: "lookup", parameters: { type: "object", properties: { who: { type: "string" } } }, strict: false }];

const whole = await client.responses.create({ model: "bard", input: "hello", max_output_tokens: 60 });
result.whole = whole.output_text;
result.receipt = whole.koinon.receipt;

const stream = client.responses.stream({ model: "bard", input: "hello", max_output_tokens: 60 });
result.streamed = "";
stream.on("response.output_text.delta", (event) => (result.streamed += event.delta));
const final = await stream.finalResponse();
result.final = final.output[0].content[0].text;
result.usage = final.usage;

const first = await client.responses.create({ model: "bard", input: "who?", tools });
const call = first.output.find((item) => item.type === "function_call");
result.call = { name: call.name, arguments: JSON.parse(call.arguments) };
const second = await client.responses.create({
  model: "bard", tools,
  input: [{ role: "user", content: "who?" }, ...first.output, { type: "function_call_output", call_id: call.call_id, output: "a prince" }],
});
result.told = second.output_text;

const called = await client.responses.stream({ model: "bard", input: "who?", tools }).finalResponse();
result.calledStreaming = called.output.find((item) => item.type === "function_call").arguments;

const vectors = await client.embeddings.create({ model: "bard", input: ["abc", "xyzzy"] });
result.vectors = vectors.data.map((entry) => entry.embedding);
console.log(JSON.stringify(result));
