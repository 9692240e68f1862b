/* What is around a ServerConnection: spool and queue, client, attacker; and the judge, when all has come to rest. */

#ifdef BREAK_R14
#define TAKES_ANY_REPLY true
#else
#define TAKES_ANY_REPLY false
#endif
#ifdef BREAK_R4_CLIENT
#define TAKES_ANY_CLOSE true
#else
#define TAKES_ANY_CLOSE false
#endif

/* --- the spool and the queue */

#ifdef BREAK_R10
#define READY(m) (disk[m] && held_by[m] != nobody)
#else
#define READY(m) (disk[m] && held_by[m] == queue_s)
#endif

inline stored(m) {
  committing[m] = false;
  disk[m] = true;
  if
  :: held_by[m] == session_s -> the_answer = 1
#ifdef BREAK_R9_ORPHAN
  :: else
#else
  :: else -> removing[m] = true
#endif
  fi
}

inline not_stored(m) {
  committing[m] = false;
  if
  :: held_by[m] == session_s -> the_answer = 2
  :: else
  fi
}

inline deliver(m) {
  assert(handed_over[m] || in_window[m]);  /* R10: only what is committed; a crash between the two cannot tell */
  assert(!MINE(m) || !delivered[SAME(m)] || !doubtful[1] || crashed);  /* R12: once, though its 2xx may not have arrived */
  delivered[m] = true;
  disk[m] = false;
  in_window[m] = false;
  held_by[m] = nobody;
  if
  :: !MINE(m) -> handed_over[m] = false; delivered[m] = false; doubtful[m] = false
  :: else
  fi
}

#define SPOOL(m) \
  :: d_step { committing[m] -> stored(m) } \
  :: d_step { committing[m] -> not_stored(m) } \
  :: d_step { removing[m] -> removing[m] = false; disk[m] = false } \
  :: d_step { READY(m) -> deliver(m) }

active proctype spool() {
end:
  do
  SPOOL(0)
  SPOOL(1)
  SPOOL(2)
#if CRASHES
  :: d_step {
       !crashed ->
       crashed = true;
       do
       :: len(input) > 0 -> input ? _, _, _, _
       :: else -> break
       od;
       clear_output();
       session = false; greeted = false; question = false; over = false; session_stops = false; quit_said = false;
       transaction = NOBODY;
       the_answer = 0;
       for (i : 0 .. MESSAGES - 1) {
         in_window[i] = in_window[i] || (disk[i] && !handed_over[i]);
         committing[i] = false; removing[i] = false; promised[i] = false; unconfirmed[i] = false; awaited[i] = false;
         if
         :: disk[i] -> held_by[i] = queue_s
         :: else -> held_by[i] = nobody
         fi
       };
       if
       :: serving -> reset = true; forget_connection()
       :: else
       fi
     }
#endif
  od
}

/* --- the client */

#define SPEAKS (!awaits_ready && !said_R && !said_quit && !canceling && !held && !reset && len(to_server) < 2)

active proctype client() {
  byte connections, tries, mine /* layer */, mail /* 1: MAIL was said, 2: LAST */, sealed, about;
  bool acked, awaits_ready, said_R, said_quit, canceling;
  mtype heard;
  do
  :: d_step {
       !serving && connections < CONNECTIONS && !acked ->
       connections++;
       do
       :: len(to_server) > 0 -> to_server ? _, _, _, _
       :: else -> break
       od;
       do
       :: len(to_client) > 0 -> to_client ? _, _, _
       :: else -> break
       od;
       fin_to_server = false; fin_to_client = false; reset = false; held = false;
       R_on_wire = false; saw_R = false; saw_S = false;
       serving = true;
       begin_plaintext()
     };
     do
     :: atomic {
          SPEAKS && mine == 0 && layers_begun < LAYERS ->
          awaits_ready = true;
          to_server ! EHLO, 0, 0, false;
          to_server ! STARTTLS, 0, 0, false
        }
     :: atomic {
          SPEAKS && mail == 0 && tries < TRIES && !acked ->
          mail = 1;
          tries++;
          to_server ! EHLO, mine, 0, false;
          to_server ! MAIL, mine, tries, false
        }
     :: atomic { SPEAKS && mail == 1 -> mail = 2; to_server ! LAST, mine, tries, false }
     :: atomic { SPEAKS -> said_quit = true; to_server ! QUIT, mine, 0, false }
     :: atomic { SPEAKS && mine != 0 -> canceling = true; to_server ! user_canceled, mine, 0, false }
     :: atomic {
          mine != 0 && !said_R && !held && !reset && len(to_server) < TO_SERVER ->
          said_R = true;
          R_on_wire = true;
          to_server ! close_notify, mine, 0, false
        }
     :: atomic {
          len(to_client) > 0 && len(to_server) < TO_SERVER && !held && !reset ->
          to_client ? heard, sealed, about;
          if
          :: sealed == mine && heard == ready && awaits_ready ->
             awaits_ready = false;
             mine = about;
             mail = 0;
             R_on_wire = false;
             if
             :: to_server ! hello, mine, 0, false
             :: to_server ! hello, mine, 1, false
             :: to_server ! hello, mine, 2, false
             :: to_server ! hello, mine, 3, false
             fi
          :: heard == ok && (sealed == mine || TAKES_ANY_REPLY) ->
             assert(mine == 0 || handed_over[about]);  /* R14 */
             acked = true
          :: heard == close_notify && mine != 0 && (sealed == mine || TAKES_ANY_CLOSE) ->
             if
             :: said_R && !said_quit ->
                assert(saw_S);  /* R4, the client's: it has sent R, and this was S */
                mine = 0; mail = 0; said_R = false; canceling = false
             :: said_R && said_quit -> fin_to_server = true; break
             :: else -> R_on_wire = true; to_server ! close_notify, mine, 0, false; fin_to_server = true; break
             fi
          :: else ->
             if
             :: mine != 0 && sealed != mine -> reset = true; break  /* R8, the client's */
             :: else
             fi
          fi
        }
     :: d_step { fin_to_client && len(to_client) == 0 -> fin_to_server = true } -> break
     :: reset -> break
     :: d_step { !held && !reset -> fin_to_server = true } -> break
     :: d_step { !held && !reset -> reset = true } -> break
     :: d_step { !held && !reset -> held = true } -> break
     od;
     atomic {
       mine = 0; mail = 0; awaits_ready = false; said_R = false; said_quit = false; canceling = false;
       heard = 0; sealed = 0; about = 0
     }
  :: !serving -> break
  od
}

/* --- the attacker */

#define INJECT(what, m) to_server ! what, 0, m, (R_on_wire && !saw_S)

active proctype attacker() {
  byte injections;
end:
  do
  :: atomic {
       serving && !held && !reset && !fin_to_server && len(to_server) < TO_SERVER && injections < INJECTIONS ->
       injections++;
       if
       :: INJECT(MAIL, 0)
       :: INJECT(LAST, 0)
       :: INJECT(close_notify, 0)
       fi
     }
  :: atomic {
       serving && !held && !reset && len(to_client) < TO_CLIENT && injections < INJECTIONS ->
       injections++;
       if
       :: to_client ! ok, 0, 1
       :: to_client ! close_notify, 0, 0
       fi
     }
  od
}

/* --- when all has come to rest */

active proctype judge() {
  timeout ->
  d_step {
    assert(!serving);
    for (i : 0 .. MESSAGES - 1) {
      assert(!handed_over[i] || delivered[i] || (again[i] && delivered[SAME(i)]));  /* R11: nothing acknowledged is lost */
      assert(!disk[i] && !committing[i] && !promised[i])  /* R9: what was not committed costs no disk */
    }
  }
}
