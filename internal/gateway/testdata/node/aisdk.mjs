// Uses the gateway through the AI SDK and its provider for OpenAI's API.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";

const koinon = createOpenAICompatible({
  name: "koinon", baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY, includeUsage: true,
});
const asked = { model: koinon("bard"), prompt: "hello", maxOutputTokens: 60, maxRetries: 0 };
const tools = {
  lookup: tool({
    inputSchema: jsonSchema({ type: "object", properties: { who: { type: "string" } } }),
    execute: async ({ who }) => `${who} is a prince`,
  }),
};
const result = {};

const whole = await generateText(asked);
result.whole = whole.text;
result.usage = { input: whole.usage.inputTokens, cached: whole.usage.cachedInputTokens, output: whole.usage.outputTokens };
result.receipt = whole.response.headers["koinon-receipt"];

const stream = streamText(asked);
result.streamed = "";
for await (const part of stream.textStream) result.streamed += part;
result.final = await stream.text;
result.stop = await stream.finishReason;
result.streamedUsage = (await stream.usage).outputTokens;

const told = await generateText({ ...asked, maxOutputTokens: 90, tools, stopWhen: stepCountIs(3) });
result.told = told.text;
result.call = { name: told.steps[0].toolCalls[0].toolName, arguments: told.steps[0].toolCalls[0].input };
const toldStreaming = streamText({ ...asked, maxOutputTokens: 90, tools, stopWhen: stepCountIs(3) });
result.toldStreaming = "";
for await (const part of toldStreaming.textStream) result.toldStreaming += part;

const { embeddings } = await embedMany({ model: koinon.embeddingModel("bard"), values: ["abc", "xyzzy"] });
result.vectors = embeddings;

try {
  await generateText({ ...asked, model: koinon("nobody") });
} catch (error) {
  result.status = error.statusCode;
}
console.log(JSON.stringify(result));
