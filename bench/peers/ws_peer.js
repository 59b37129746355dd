// ws 8 on Node's http. node ws_peer.js PORT
const http = require("http");
const { WebSocketServer } = require("ws");

const subscribers = new Set();
const counts = new Map();
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
const server = http.createServer((request, response) => response.end("ok"));

function like(socket, message) {
  const wish = JSON.parse(message);
  if (wish.op !== "like") return;
  const n = (counts.get(wish.item) || 0) + 1;
  counts.set(wish.item, n);
  socket.send(`{"ok":1,"n":${n}}`);
}

function publish(message) {
  const text = message.toString();
  for (const subscriber of subscribers) subscriber.send(text);
}

server.on("upgrade", (request, connection, head) =>
  sockets.handleUpgrade(request, connection, head, (socket) => {
    socket.on("error", () => {});
    if (request.url === "/sub") {
      subscribers.add(socket);
      socket.on("close", () => subscribers.delete(socket));
    } else if (request.url === "/pub") socket.on("message", publish);
    else socket.on("message", (message) => like(socket, message));
  }),
);
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
