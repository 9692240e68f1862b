/* ServerConnection: the layers of a connection, and what R, S and every other end do to them. */

/* Which endings and effects the search has seen, told when it is done: a model in which nothing happens proves nothing. */
c_decl {
  static unsigned char ends_seen[256][256];
  __attribute__((destructor)) static void tell_ends(void) {
    for (int how = 0; how < 256; ++how)
      for (int cost = 0; cost < 256; ++cost)
        if (ends_seen[how][cost]) printf("seen %d %d\n", how, cost);
  }
}

#ifdef BREAK_STARTTLS
mtype kept_what;
#endif

/* R11: only what was heard of the client behind a 2xx tells that it has arrived, never how the layer ended. In plaintext the end is
 * ours alone; R may have been read before the 2xx was handed over. */
#ifdef BREAK_R11_PLAINTEXT
#define GOODBYE (layer == 0 && how == mutual)
#elif defined(BREAK_R11_EARLY_R)
#define GOODBYE (layer != 0 && how == mutual)
#else
#define GOODBYE false
#endif

inline finish_layer(how) {
  effect = none;
  if
  :: unacknowledged -> effect = revoked
  :: else ->
     if
     :: in_transaction -> effect = rolled_back
     :: else ->
        if
        :: !GOODBYE && (unconfirmed[0] || unconfirmed[1] || unconfirmed[2]) -> effect = ack_unconfirmed
        :: else ->
           if
           :: quit_answered -> effect = after_quit
           :: else
           fi
        fi
     fi
  fi;
  if
#ifdef BREAK_R11_AFTER_QUIT
  :: !GOODBYE && !quit_answered -> remembered = remembered || unconfirmed[1] || unconfirmed[2]
#elif defined(BREAK_R11_IN_TRANSACTION)
  :: !GOODBYE && effect == ack_unconfirmed -> remembered = remembered || unconfirmed[1] || unconfirmed[2]
#elif !defined(BREAK_R12)
  :: !GOODBYE -> remembered = remembered || unconfirmed[1] || unconfirmed[2]
#endif
  :: else
  fi;
  for (i : 0 .. MESSAGES - 1) { unconfirmed[i] = false };
  in_transaction = false; unacknowledged = false; quit_answered = false;
  assert(record_due);  /* a layer leaves one record */
  record_due = false;
  how_ended = how;
  c_code { ends_seen[how_ended][effect] = 1; };
  assert(layer == 0 || how != mutual || (saw_R && saw_S));
  assert(how != unanswered || (saw_S && !saw_R));
  assert(layer == 0 || how != injected || saw_R)
}

inline begin_plaintext() {
  assert(!was_tls || (saw_R && saw_S));  /* R4: nothing but the two leads back */
  layer = 0;
  begin_session();
  course = going_on;
  record_due = true
}

inline begin_tls() {
  layers_begun++;
  layer = layers_begun;
  note(begin_handshake);
  course = going_on;
  closed = false; canceled = false;
  saw_R = false; saw_S = false; worked = false; was_tls = true;
  record_due = true;
#ifndef BREAK_R6_SHUTDOWN
  if
  :: shutting_down -> harm = timed_out
  :: else
  fi
#endif
}

inline clear_output() {
  do
  :: len(output) > 0 -> output ? _, _, _
  :: else -> break
  od
}

inline close_layer() {
  /* R2: in TLS 1.3 all that came before R has been carried out, and answered. */
  assert(!RECEIVED || discards_pending_writes || over || (len(input) == 0 && !question && len(output) == 0));
  question = false;
  if
  :: !closed -> closed = true; output ! close_notify, layer, 0
  :: else
  fi;
  course = closing
}

inline close_notify_handed_over() {
#ifdef BREAK_R3
  transaction_kept = NOBODY;
  if
  :: stays_plain && !eof && RECEIVED -> transaction_kept = transaction; transaction = NOBODY
  :: else
  fi;
#endif
#ifdef BREAK_R5
  greeted_kept = greeted;
#endif
  end_session();
  note(sent_close_notify);
  if
  :: state == Broken -> finish_layer(its_ending); course = ending
  :: state == Plain ->
     finish_layer(mutual);
     if
     :: stays_plain && !eof ->
        assert(!quit_obeyed && !stop_said && may_return);  /* R6 */
        begin_plaintext();
#ifdef BREAK_R3
        transaction = transaction_kept
#endif
#ifdef BREAK_R5
        greeted = greeted_kept
#endif
     :: else -> course = ending; layer = 0
     fi
  :: else
#ifdef BREAK_R7_WAIT
     -> course = ending; layer = 0
#endif
  fi
}

inline peer_closed() {
#ifdef BREAK_R2_TLS12
  if
  :: discards_pending_writes && question -> held_by[transaction] = queue_s; transaction = NOBODY; the_answer = 0
  :: else
  fi;
#endif
  note(received_close_notify);
  if
  :: state == Plain -> finish_layer(mutual); course = ending; layer = 0
  :: state == Broken
  :: else ->
     if
     :: course == closing
#ifdef BREAK_R4_AFTER_R_ALONE
     :: course != closing -> end_session(); clear_output(); state = Plain; record_due = false; begin_plaintext()
#elif defined(BREAK_R2_TLS13)
     :: course != closing -> close_layer()
#else
     :: course != closing && discards_pending_writes -> close_layer()
     :: course != closing && !discards_pending_writes -> course = replying
#endif
     fi
  fi
}

/* Channel::step: what a layer makes of the next item. */
inline step() {
  if
  :: state == Broken  /* injected: the library reads nothing behind R */
  :: state == Handshaking ->
     if
     :: what == hello && key == layer ->
        note(established);
        worked = true;
        discards_pending_writes = (message & 1);
        stays_plain = (message >= 2);
        may_return = stays_plain;
        for (i : 0 .. MESSAGES - 1) { unconfirmed[i] = false; awaited[i] = false };
#ifdef BREAK_STARTTLS
        if
        :: kept_what != 0 -> input ! kept_what, 0, 0, false
        :: else
        fi;
#endif
        begin_session()
#ifdef BREAK_R1
     :: what == close_notify -> state = Plain; begin_plaintext()
#endif
     :: what == close_notify && key == 0 -> harm = alert  /* R1 */
     :: else -> harm = corrupt
     fi
  :: else ->
     if
     :: key != layer || (canceled && what != close_notify) ->
#ifdef BREAK_R8_CORRUPT
        input ! what, key, message, behind
#else
        harm = corrupt
#endif
     :: else ->
        for (i : 0 .. MESSAGES - 1) { unconfirmed[i] = false; awaited[i] = false };
        if
#ifdef BREAK_R20
        :: what == user_canceled -> peer_closed()
#endif
        :: what == user_canceled -> canceled = true
        :: what == close_notify -> saw_R = true; peer_closed()
        :: else ->
           if
           :: course == going_on ->
              input ! what, key, message, behind
           :: else  /* R7: read and discarded */
           fi
        fi
     fi
  fi
}

inline receive_item() {
  to_server ? what, key, message, behind;
  if
#ifdef BREAK_STARTTLS
  :: course == starting_tls -> kept_what = what
#endif
  :: course == starting_tls -> harm = octets_behind  /* CVE-2011-0411 */
  :: RECEIVED -> harm = octets_behind
  :: layer != 0 -> step()
  :: course == going_on ->
     for (i : 0 .. MESSAGES - 1) { unconfirmed[i] = false; awaited[i] = false };
     input ! what, key, message, behind
  :: else
  fi
}

inline break_layer() {
  if
  :: course == ending
  :: else ->
     note(harm);
     if
     :: layer != 0 && state != Broken  /* a FIN behind R */
#ifndef BREAK_R4_NO_S
     :: layer != 0 && state == Broken && its_ending == injected -> close_layer()
#endif
     :: else ->
        end_session();
        clear_output();
        if
        :: layer != 0 -> finish_layer(its_ending)
        :: layer == 0 && harm == octets_behind -> finish_layer(injected)
        :: else -> finish_layer(harm)
        fi;
        course = ending
     fi
  fi
}

/* Nothing more can be handed over. */
inline abandon() {
  end_session();
  if
  :: state == Broken && course == closing -> finish_layer(its_ending)
  :: else
  fi;
  course = ending;
  layer = 0;
  clear_output()
}
