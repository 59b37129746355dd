// socket.io 4. node socketio_peer.js PORT
const { Server } = require("socket.io");

const counts = {};
const server = new Server(Number(process.argv[2]), {
  transports: ["websocket"],
  perMessageDeflate: false,
  serveClient: false,
});
server.on("connection", (socket) => {
  socket.on("pub", (message) => server.emit("c", message));
  socket.on("like", (wish, answer) => {
    counts[wish.item] = (counts[wish.item] || 0) + 1;
    answer({ ok: 1, n: counts[wish.item] });
  });
});
