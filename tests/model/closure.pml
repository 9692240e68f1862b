/* The whole protocol of closure, for spin: an SMTP client, adieu's server side, the spool, the network and who sits in it. Rules
 * R1 to R12, R14 and R20; RFC 8446 section 6.1, RFC 5246 section 7.2.1, RFC 3207. tests/model/model_test.py runs it.
 *
 * What is modelled. The closure machine is that of include/adieu/protocol/tls/closure.h, transition by transition; the test holds
 * one against the other. The server's part is that of src/protocol/smtp/server_connection.cpp and server_session.cpp: the same
 * names for the same things, each stimulus worked to its end as there. The client says what a client may: mail pipelined or not,
 * in TLS of either version or in clear, close_notify at any moment with or without user_canceled before it, QUIT, FIN, RST,
 * silence; a message that was not acknowledged comes again, in the next layer or on the next connection. The attacker owns the
 * network: what arrives is cut by FIN or RST or held back for ever (the server cannot tell who did it, so here the client does),
 * and octets of his own, in clear, stand anywhere in either stream; he cannot make a record. The spool commits when it likes, or
 * fails; the relay may crash at any moment. A timer that runs may run out at any moment.
 *
 * What is not. Cryptography: a record opens by its layer's keys or not at all, and records keep their order. One item is one
 * command, one reply or one record: MAIL is all up to the first octets of mail data, LAST the last of them. Octets within an item
 * and partial writes are the business of tests/daemon/server_cut_test.cpp. Replies on which nobody acts are left out. The last
 * look into the transport and the write of S behind it are one step: what the network does in between cannot be told from what it
 * does afterwards. Not here at all: resumption, renewal, delivery beyond "it went
 * out", how long the duplicate window is, what is counted and alarmed (R13, R15 to R19).
 *
 * What is checked. Assertions, each beside what it is about, over ghosts: variables that say what passed on the wire and what the
 * disk holds, and that nothing but assertions reads. Two more by spin itself: no process stops where it may not (invalid end
 * states; a connection that waits for ever is one), and no cycle at all (-DNP without a progress label), so that every run is
 * finite and every connection ends.
 *
 * -DBREAK_X breaks rule X, and spin must find it. The test sets the bounds below, and explores small worlds to their ends. */

#ifndef CONNECTIONS
#define CONNECTIONS 1  /* one after another */
#endif
#ifndef LAYERS
#define LAYERS 1       /* of TLS, in all */
#endif
#ifndef TRIES
#define TRIES 2        /* to get the message through */
#endif
#ifndef INJECTIONS
#define INJECTIONS 0   /* octets in clear by the attacker, into one stream or the other */
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef SHUTDOWNS
#define SHUTDOWNS 0
#endif

mtype = {
  /* tls::State */ Plain, Handshaking, Secure, Closing, Broken,
  /* tls::Event; the language has taken `timeout` */
  begin_handshake, established, received_close_notify, sent_close_notify, octets_behind,
  /* tls::Event and tls::Ending */ fin, rst, timed_out, alert, corrupt,
  /* tls::Ending */ mutual, unanswered, injected, handshake,
  /* tls::Effect */ none, after_quit, rolled_back, revoked, ack_unconfirmed,
  /* ServerConnection::Course */ going_on, starting_tls, finishing, replying, closing, ending,
  /* what the client says; hello is the whole of its handshake */ EHLO, STARTTLS, MAIL, LAST, QUIT, hello, user_canceled,
  /* what the server says: 220, 2xx to a LAST, 221 or 421 */ ready, ok, bye,
  /* what both say */ close_notify,
  /* what happens to a ServerConnection */ receive, receive_eof, receive_reset, answer, sent, expire, expire_session, shut_down,
  close_transport
};

/* --- the network: what stands in the receiver's kernel, in order */
#define TO_SERVER 3
#define TO_CLIENT 2
#define INPUT 2
/* What; whose keys: the layer's number, 0 in clear; which message; put there behind R and before S. */
chan to_server = [TO_SERVER] of { mtype, byte, byte, bool };
chan to_client = [TO_CLIENT] of { mtype, byte, byte };
bool fin_to_server, fin_to_client, reset;
bool held;  /* nothing arrives any more, and nobody is told */

/* --- messages: what the attacker mails is 0; 1 and 2 are one message of the client's, which has a Message-ID (R12), tried again */
#define MESSAGES 3
#define NOBODY 3
#define SAME(m) (3 - (m))

/* --- the spool */
mtype:holder = { nobody, session_s, queue_s };
mtype:holder held_by[MESSAGES] = nobody;
bool committing[MESSAGES];  /* handed to the disk */
bool disk[MESSAGES];        /* durable */
bool removing[MESSAGES];    /* its removal is owed */
bool remembered;            /* in the duplicate window: the client's message, whichever try it was (R12) */
byte the_answer;            /* to the open question: 0 none, 1 durable, 2 failed */

/* --- ServerConnection */
bool serving;
mtype state = Plain;
bool state_sent, state_received;  /* Closing's */
mtype its_ending;                 /* Broken's */
mtype course = ending;
byte layer;                       /* channel_: the TLS layer's number, 0 in plaintext */
byte layers_begun;
bool discards_pending_writes;     /* TLS 1.2 */
bool stays_plain, eof, closed /* the channel */, canceled;
bool in_transaction, unacknowledged, quit_answered;  /* standing_, of a session that has been destroyed */
bool shutting_down;
chan output = [4] of { mtype, byte, byte };

/* --- ServerSession */
bool session, greeted, question, over, session_stops, quit_said;
byte transaction = NOBODY;
bool promised[MESSAGES];     /* its 2xx stands in the output */
bool again[MESSAGES];        /* said again, nothing stored (R12) */
bool unconfirmed[MESSAGES];  /* 2xx handed over, not an octet since */
chan input = [INPUT] of { mtype, byte, byte, bool };

/* --- ghosts */
byte era, greeted_in, began_in;      /* each session has a number; where EHLO was, where the transaction began */
bool was_tls, worked, harmed;        /* the connection has had TLS; its layer was established; it was ended by neither R nor S */
bool R_on_wire, saw_R, saw_S;        /* R was sent by the client; was read; S was handed over: of the layer */
bool record_due;                     /* the layer in force has not yet left its closure record */
bool quit_obeyed, stop_said, may_return;  /* R6: QUIT, a shutdown, the policy's `after-close-notify plaintext` */
bool handed_over[MESSAGES], delivered[MESSAGES];
bool in_window[MESSAGES];            /* R10's: durable, its 2xx not handed over, and then a crash */
bool awaited[MESSAGES], doubtful[MESSAGES];  /* nothing was read of the client since its 2xx, not R either: so far; until the connection ended */
bool crashed;

/* Scratch within one step. */
hidden mtype what, event, harm, effect, how_ended;
hidden byte key, message, i, behind, abandons;

#define MINE(m) ((m) != 0)
#define RECEIVED (state == Closing && state_received)

#include "machine.pml"
#ifndef TABLE
#include "session.pml"
#include "connection.pml"
#include "server.pml"
#include "world.pml"
#endif
