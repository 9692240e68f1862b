/* ServerConnection::next_action and what drives it (Inbound): one stimulus after another, each worked to its end. */

#ifdef BREAK_R4_OCTETS_BEHIND
#define READABLE (len(to_server) > 0 && len(input) < INPUT && !held && !reset && course != ending && !RECEIVED)
#else
#define READABLE (len(to_server) > 0 && len(input) < INPUT && !held && !reset && course != ending)
#endif
#ifdef BREAK_R4_WRITES_BEFORE_READING
#define READS_BEFORE_WRITING false
#else
#define READS_BEFORE_WRITING (course == closing && RECEIVED)
#endif
#define FIN_ARRIVES (fin_to_server && len(to_server) == 0 && !held && !reset && !eof && course != ending)
#define WRITABLE (len(output) > 0 && len(to_client) < TO_CLIENT && !reset && !(READS_BEFORE_WRITING && READABLE))
#ifdef BREAK_TIMEOUT_CLOSE_NOTIFY
#define WAITS_FOR_R false
#else
#define WAITS_FOR_R (course == closing && len(output) == 0)
#endif
#ifdef BREAK_TIMEOUT_HANDSHAKE
#define WAITS_FOR_HANDSHAKE false
#else
#define WAITS_FOR_HANDSHAKE (state == Handshaking)
#endif
#ifdef BREAK_TIMEOUT_WRITE
#define WAITS_FOR_ROOM false
#else
#define WAITS_FOR_ROOM (len(output) > 0)
#endif
#ifdef BREAK_TIMEOUT_COMMAND
#define WAITS_FOR_COMMAND false
#else
#define WAITS_FOR_COMMAND (session && course == going_on && !question && !over && len(output) == 0)
#endif

/* ServerSession::next_action until nothing can be done, then what follows for the layer. */
inline next_action() {
  do
  :: (course == going_on || course == replying) && session && !question && !over && session_stops && transaction == NOBODY ->
     output ! bye, layer, 0;
     over = true
  :: (course == going_on || course == replying) && session && !question && !over && len(input) > 0 && len(output) < 2 ->
     input ? what, key, message, behind;
     carry_out()
  :: else -> break
  od;
  if
  :: (course == going_on || course == replying) && session && over ->
#ifndef BREAK_R6
     stays_plain = false;
#endif
     course = finishing
  :: else
  fi;
  if
  :: course == replying && !question && len(output) == 0 ->
     close_layer()
  :: course == finishing && len(output) == 0 ->
     if
#ifdef BREAK_R7
     :: layer != 0 -> end_session(); finish_layer(fin); course = ending
#endif
     :: layer != 0 -> close_layer()
     :: else ->
        end_session();
        finish_layer(mutual);
        course = ending
     fi
  :: else
  fi
}

inline forget_connection() {
  state = Plain; state_sent = false; state_received = false; its_ending = 0;
  course = ending;
  layer = 0;
  discards_pending_writes = false; stays_plain = false; eof = false; closed = false; canceled = false; shutting_down = false;
  in_transaction = false; unacknowledged = false; quit_answered = false;
  era = 0; greeted_in = 0; began_in = 0;
  was_tls = false; worked = false; harmed = false;
  record_due = false; quit_obeyed = false; stop_said = false; may_return = false;
  serving = false
}

/* All that has arrived is read at once; whatever else happens, happens alone. */
inline handle() {
  do
  :: true ->
  harm = 0;
  abandons = false;
  if
  :: stimulus == receive -> receive_item()
  :: stimulus == receive_eof ->
     eof = true;
     if
     :: layer == 0 -> harm = fin
#ifdef BREAK_R8_FIN
     :: layer != 0 && state == Secure -> peer_closed()
#endif
     :: layer != 0 && !RECEIVED && state != Broken -> harm = fin
     :: else
     fi
  :: stimulus == receive_reset -> eof = true; harm = rst; abandons = true
  :: stimulus == answer ->
     if
     :: question ->
        question = false;
        message = transaction;
        transaction = NOBODY;
        if
        :: the_answer == 1 -> promised[message] = true; output ! ok, layer, message
        :: else -> held_by[message] = nobody
        fi
     :: else  /* too late: the transaction waits for its end */
     fi;
     the_answer = 0
  :: stimulus == sent ->
     output ? what, key, message;
     to_client ! what, key, message;
     if
     :: what == ok -> acknowledge(message)
     :: what == close_notify -> saw_S = true
     :: what == ready -> end_session(); begin_tls()
     :: else
     fi;
     if
     :: course == closing && len(output) == 0 -> close_notify_handed_over()
     :: else
     fi
#ifdef BREAK_TIMEOUT_AGAIN
  :: stimulus == expire && course == closing  /* only to wait again */
#endif
  :: stimulus == expire -> harm = timed_out; abandons = true
  :: stimulus == expire_session -> output ! bye, layer, 0; over = true
  :: stimulus == shut_down ->
     shutting_down = true;
     stop_said = true;
     stays_plain = false;
     if
     :: session && course == going_on -> session_stops = true
     :: state == Handshaking -> harm = timed_out
     :: else
     fi
  :: stimulus == close_transport ->
     assert(!record_due);
     assert(!worked || harmed || saw_S);  /* R7 */
     for (i : 0 .. MESSAGES - 1) {
       doubtful[i] = doubtful[i] || awaited[i];
       awaited[i] = false
     };
     fin_to_client = true;
     forget_connection()
  fi;
  if
  :: harm != 0 -> harmed = harmed || (harm != octets_behind); break_layer()
  :: else
  fi;
  if
  :: abandons -> abandon()
  :: else
  fi;
  if
  :: serving -> next_action()
  :: else
  fi;
  if
  :: stimulus == receive && serving && READABLE
  :: else -> break
  fi
  od
}

active proctype server() {
  mtype stimulus;
end:
  do
  :: serving ->
     do
     :: atomic {
          if
          :: serving && READABLE -> stimulus = receive
          :: serving && FIN_ARRIVES -> stimulus = receive_eof
          :: serving && reset && !held && course != ending -> stimulus = receive_reset
          :: serving && the_answer != 0 -> stimulus = answer
          :: serving && WRITABLE -> stimulus = sent
          :: serving && (WAITS_FOR_R || WAITS_FOR_HANDSHAKE || WAITS_FOR_ROOM) && course != ending -> stimulus = expire
          :: serving && WAITS_FOR_COMMAND -> stimulus = expire_session
          :: SHUTDOWNS && serving && !shutting_down && course != ending -> stimulus = shut_down
          :: serving && course == ending && len(output) == 0 -> stimulus = close_transport
          fi;
          d_step { handle(); stimulus = 0 }
        }
     :: !serving -> break
     od
  od
}
