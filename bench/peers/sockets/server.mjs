// What one connection says goes to all: the whole of a broadcast, by socket.io or by ws alone.
//   PEER=socketio|ws PORT=3100 node server.mjs
import { createServer } from "node:http";
import { Server } from "socket.io";
import { WebSocketServer } from "ws";

const http = createServer();
if (process.env.PEER === "socketio") {
  const io = new Server(http, { transports: ["websocket"] });
  io.on("connection", (socket) => socket.on("publish", (data) => io.emit("message", data)));
} else {
  const sockets = new WebSocketServer({ server: http });
  sockets.on("connection", (socket) =>
    socket.on("message", (data) => {
      for (const one of sockets.clients) one.send(data, { binary: false });
    }),
  );
}
http.listen(Number(process.env.PORT), "127.0.0.1");
