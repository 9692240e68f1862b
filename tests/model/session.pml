/* A mail transaction as its session owns it (transaction.h, spool.h); ServerSession: what is obeyed, and what goes with it. */

#ifdef BREAK_R3
byte transaction_kept;
#endif
#ifdef BREAK_R5
bool greeted_kept;
#endif

/* Transaction::~Transaction */
inline destroy(m) {
  if
  :: again[m] -> remembered = true
  :: else ->
     held_by[m] = nobody;
#ifdef BREAK_R12_REVOKED
     remembered = remembered || MINE(m);
#endif
#ifndef BREAK_R10_REVOKE
     removing[m] = disk[m]
#endif
  fi
}

inline acknowledge(m) {
  promised[m] = false;
  unconfirmed[m] = true;
  handed_over[m] = true;
  awaited[m] = true;
  if
  :: !again[m] -> held_by[m] = queue_s
  :: else
  fi
}

/* Everything it learned or had open goes with it. */
inline end_session() {
  if
  :: session ->
     quit_answered = quit_said;
     in_transaction = (transaction != NOBODY);
     if
     :: transaction != NOBODY ->
#ifdef BREAK_R9
        held_by[transaction] = queue_s; disk[transaction] = true;  /* as if the cut had been the end of data */
#else
        destroy(transaction);
#endif
        transaction = NOBODY
     :: else
     fi;
     unacknowledged = false;
     for (i : 0 .. MESSAGES - 1) {
       if
       :: promised[i] -> unacknowledged = true; promised[i] = false; destroy(i)
       :: else
       fi;
#ifdef BREAK_R11
       if
       :: unconfirmed[i] && held_by[i] == queue_s -> held_by[i] = nobody; removing[i] = disk[i]
       :: else
       fi
#endif
     }
     do
     :: len(input) > 0 -> input ? _, _, _, _
     :: else -> break
     od;
     the_answer = 0;
     session = false; greeted = false; question = false; over = false; session_stops = false; quit_said = false
  :: else
  fi
}

inline begin_session() {
  session = true;
  era++
}

inline carry_out() {
  if
  :: layer == 0 && key != 0  /* ciphertext makes no command */
  :: else ->
     assert(key == layer);                              /* inside TLS its own records alone are obeyed */
     assert(layer != 0 || !was_tls || (saw_R && saw_S));  /* plaintext is trusted behind R and S alone */
     assert(!behind);                                   /* R4 */
     assert(!harmed && state != Broken);                /* R8 */
     if
     :: what == EHLO ->
        if
        :: transaction != NOBODY -> destroy(transaction); transaction = NOBODY; the_answer = 0
        :: else
        fi;
        greeted = true;
        greeted_in = era
     :: what == STARTTLS ->
        if
        :: layer == 0 && greeted && len(input) == 0 -> output ! ready, 0, layers_begun + 1; course = starting_tls
        :: else -> output ! bye, layer, 0; over = true  /* EndReason::pipelined_starttls */
        fi
     :: what == MAIL && greeted && transaction == NOBODY ->
        assert(greeted_in == era);                      /* R5 */
        transaction = message;
        held_by[message] = session_s;
        began_in = era
     :: what == LAST && transaction != NOBODY ->
        assert(began_in == era);                        /* R3 */
        message = transaction;
        if
        :: MINE(message) && remembered ->               /* R12 */
           remembered = false;
           again[message] = true;
           held_by[message] = nobody;
           transaction = NOBODY;
           promised[message] = true;
           output ! ok, layer, message
        :: else -> question = true; committing[message] = true
        fi
     :: what == QUIT -> output ! bye, layer, 0; over = true; quit_said = true; quit_obeyed = true
     :: else  /* refused: out of order */
     fi
  fi
}
