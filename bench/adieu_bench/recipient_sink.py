"""A sink that counts recipients, one thread a connection: for few messages with many recipients, where smtp-sink's count of messages, which
depends on how a relay divides them among transactions, proves nothing. It can be slower than the relay: its rate is no ceiling.
"""
import collections
import socketserver
import threading

from .load import CountingSink
from .processes import Failure

REPLIES = {b"EHLO": b"250-sink.example.net\r\n250-PIPELINING\r\n250 8BITMIME\r\n", b"RCPT": b"250 2.1.5 Ok\r\n", b"DATA": b"354 go on\r\n",
           b"QUIT": b"221 2.0.0 Bye\r\n"}
OK = b"250 2.0.0 Ok\r\n"


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 1000


class RecipientSink(CountingSink):
    """Each message is for the same `recipients` recipients."""

    def __init__(self, recipients):
        self.per_message, self.lock, self.taken = recipients, threading.Lock(), collections.Counter()
        sink = self

        class Session(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.sendall(b"220 sink.example.net ESMTP\r\n")
                rest, recipients, in_mail_data, over = b"", [], False, False
                while not over and (got := self.request.recv(1 << 16)):
                    *lines, rest = (rest + got).split(b"\r\n")
                    replies = []
                    for line in lines:
                        if not in_mail_data:
                            verb = line[:4].upper()
                            replies.append(REPLIES.get(verb, OK))
                            in_mail_data, over = verb == b"DATA", verb == b"QUIT"
                            if verb == b"RCPT":
                                recipients.append(line.split(b"<", 1)[1].split(b">")[0])
                        elif line == b".":
                            sink.take(recipients)
                            replies.append(OK)
                            recipients, in_mail_data = [], False
                    self.request.sendall(b"".join(replies))

        self.server = Server(("127.0.0.1", 0), Session)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, recipients):
        with self.lock:
            self.taken.update(recipients)

    def count(self):
        with self.lock:
            return self.taken.total()

    def verify(self):
        fewest, most = min(self.taken.values()), max(self.taken.values())
        if len(self.taken) != self.per_message or fewest != most:
            raise Failure(f"of {self.per_message} recipients {len(self.taken)} had messages, {fewest} to {most} of them each")

    def must_live(self):
        pass

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
