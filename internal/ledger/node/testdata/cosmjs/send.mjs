// Sends ukoin with CosmJS's stock clients, once signing directly and once as
// Amino JSON, and prints what the ledger answered.
//
//   node send.mjs RPC_URL MNEMONIC RECIPIENT AMOUNT
import { Secp256k1HdWallet } from "@cosmjs/amino";
import { DirectSecp256k1HdWallet } from "@cosmjs/proto-signing";
import { GasPrice, SigningStargateClient } from "@cosmjs/stargate";

const [rpc, mnemonic, recipient, amount] = process.argv.slice(2);
const wallets = { direct: DirectSecp256k1HdWallet, amino: Secp256k1HdWallet };
const answers = {};
for (const [mode, wallet] of Object.entries(wallets)) {
  const signer = await wallet.fromMnemonic(mnemonic, { prefix: "koinon" });
  const [{ address }] = await signer.getAccounts();
  const client = await SigningStargateClient.connectWithSigner(rpc, signer, {
    gasPrice: GasPrice.fromString("0.001ukoin"),
  });
  const sent = await client.sendTokens(address, recipient, [{ denom: "ukoin", amount }], "auto", mode);
  const balance = await client.getBalance(recipient, "ukoin");
  answers[mode] = { code: sent.code, log: sent.rawLog, height: sent.height, balance: balance.amount };
  client.disconnect();
}
console.log(JSON.stringify(answers));
