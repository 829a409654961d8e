// ws and amqplib: what comes from an exchange of RabbitMQ goes to every client as it is.
import { parseArgs } from "node:util";
import amqp from "amqplib";
import { WebSocketServer } from "ws";

const { values } = parseArgs({
  options: { port: { type: "string" }, amqp: { type: "string" }, exchange: { type: "string" } },
});
const connection = await amqp.connect(values.amqp);
const channel = await connection.createChannel();
await channel.assertExchange(values.exchange, "fanout", { durable: false, autoDelete: true });
const { queue } = await channel.assertQueue("", { exclusive: true });
await channel.bindQueue(queue, values.exchange, "");
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(values.port),
  perMessageDeflate: false,
  backlog: 4096,
});
await channel.consume(
  queue,
  (message) => {
    for (const client of server.clients) client.send(message.content, { binary: false });
  },
  { noAck: true },
);
