// Two messages on one connection, each in a TLS layer of its own that both sides end by close_notify. Arguments: port, TLS version.
'use strict';
const net = require('net');
const tls = require('tls');
const { Duplex } = require('stream');

const [port, version] = process.argv.slice(2);
setTimeout(() => { throw new Error('nothing happened'); }, 30000).unref();

// A stream over the connection that can end without the connection ending: node's tls would close the socket itself.
function over(socket) {
  const layer = new Duplex({
    read() {},
    write(chunk, encoding, done) { socket.write(chunk, done); },
    final(done) { done(); },
  });
  layer.take = (chunk) => layer.push(chunk);
  return layer;
}

// Replies of a stream, one for each call.
function talker(stream) {
  let text = '';
  let waiting = null;
  const look = () => {
    const found = /^(?:\d{3}-[^\n]*\n)*\d{3} [^\n]*\n/.exec(text);
    if (!found || !waiting) return;
    text = text.slice(found[0].length);
    const give = waiting;
    waiting = null;
    give(found[0]);
  };
  stream.on('data', (chunk) => { text += chunk; look(); });
  const reply = () => new Promise((resolve) => { waiting = resolve; look(); });
  const say = async (command, code) => {
    stream.write(command + '\r\n');
    const got = await reply();
    if (!got.startsWith(String(code))) throw new Error(command + ': ' + got);
    return got;
  };
  return { reply, say };
}

async function main() {
  const socket = net.connect(Number(port), '127.0.0.1');
  let sink = null;
  const clear = over(socket);
  socket.on('data', (chunk) => (sink || clear).take(chunk));
  const plain = talker(clear);
  await plain.reply();
  for (const layer of [1, 2]) {
    if (!/STARTTLS/.test(await plain.say('EHLO node.example', 250))) throw new Error('no STARTTLS');
    await plain.say('STARTTLS', 220);
    sink = over(socket);
    const secure = tls.connect({ socket: sink, rejectUnauthorized: false, minVersion: 'TLSv' + version, maxVersion: 'TLSv' + version });
    await new Promise((resolve) => secure.once('secureConnect', resolve));
    const inside = talker(secure);
    await inside.say('EHLO node.example', 250);
    await inside.say('MAIL FROM:<a@example.org>', 250);
    await inside.say('RCPT TO:<b@example.net>', 250);
    await inside.say('DATA', 354);
    await inside.say('Subject: node ' + layer + '\r\n\r\nbody\r\n.', 250);
    const ended = new Promise((resolve) => secure.once('end', resolve));  // their close_notify
    secure.end();
    await ended;
    sink = null;
  }
  await plain.say('EHLO node.example', 250);
  await plain.say('QUIT', 221);
  socket.end();
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
