"""A next hop for the interop tests that answers as a test says and keeps what it was told: plaintext SMTP, one thread a connection."""
import socket
import threading


class NextHop:
    """`answer(verb, line, transaction)` returns the reply to a command without its CRLF, or None for the usual one. `keywords`: of the reply to EHLO."""

    def __init__(self, answer=lambda verb, line, transaction: None, keywords=("PIPELINING",)):
        self.answer, self.keywords = answer, keywords
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        self.transactions = []  # those whose mail data was taken: connection, mail, recipients, data
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection, self.connections), daemon=True).start()

    def serve(self, connection, number):
        connection.settimeout(30)
        try:
            with connection, connection.makefile("rwb", buffering=65536) as stream:
                self.talk(stream, number)
        except OSError:
            pass

    def talk(self, stream, number):
        def say(reply):
            stream.write(reply.encode() + b"\r\n")
            stream.flush()

        transaction = None
        say(self.answer("", "", None) or "220 next.example ESMTP")
        while line := stream.readline():
            text = line.decode("latin-1").rstrip("\r\n")
            verb = text[:4].upper()
            if verb == "MAIL":
                transaction = {"connection": number, "mail": text, "recipients": [], "data": b""}
            reply = self.answer(verb, text, transaction)
            if verb == "EHLO":
                say(reply or "\r\n".join(f"250-{word}" for word in ("next.example", *self.keywords)) + "\r\n250 HELP")
            elif verb == "RCPT":
                reply = reply or "250 2.1.5 ok"
                if reply[0] == "2":
                    transaction["recipients"].append(text[text.index("<") + 1 : text.index(">")])
                say(reply)
            elif verb == "DATA":
                if not transaction or not transaction["recipients"]:
                    say("554 5.5.1 no valid recipients")
                    continue
                say(reply or "354 go")
                if reply and reply[0] != "3":
                    continue
                while (line := stream.readline()) not in (b".\r\n", b""):
                    transaction["data"] += line[1:] if line.startswith(b".") else line
                if not line:
                    return
                reply = self.answer("", ".", transaction) or "250 2.0.0 stored"
                if reply[0] == "2":
                    self.transactions.append(transaction)
                say(reply)
            elif verb == "QUIT":
                say("221 2.0.0 bye")
                return
            else:
                say(reply or "250 2.0.0 ok")

    def stop(self):
        self.listener.close()
