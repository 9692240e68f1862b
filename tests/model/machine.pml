/* closure.h: the states, and on(state, event). */

inline broken(how) {
  state = Broken;
  its_ending = how;
  state_sent = false;
  state_received = false
}

inline note(happened) {
  event = happened;
  if
  :: state == Plain ->
     if
     :: event == begin_handshake -> state = Handshaking
     :: else
     fi
  :: state == Handshaking ->
     if
     :: event == established -> state = Secure
     :: else -> broken(handshake)
     fi
  :: state == Secure ->
     if
     :: event == received_close_notify -> state = Closing; state_received = true
#ifdef BREAK_R4_AFTER_S_ALONE
     :: event == sent_close_notify -> state = Plain
#else
     :: event == sent_close_notify -> state = Closing; state_sent = true
#endif
     :: event == fin || event == rst || event == timed_out || event == alert -> broken(event)
     :: else -> broken(corrupt)
     fi
  :: state == Closing ->
     if
     :: event == received_close_notify ->
        if
        :: state_sent -> state = Plain; state_sent = false
        :: else
        fi
     :: event == sent_close_notify ->
        if
        :: state_received -> state = Plain; state_received = false
        :: else
        fi
     :: event == fin ->
        if
        :: state_received
        :: else -> broken(unanswered)
        fi
     :: event == rst || event == timed_out ->
        if
        :: state_received -> broken(event)
        :: else -> broken(unanswered)
        fi
     :: event == octets_behind ->
        if
        :: state_received -> broken(injected)
        :: else -> broken(corrupt)
        fi
     :: event == alert -> broken(alert)
     :: else -> broken(corrupt)
     fi
  :: else /* Broken: nothing leaves it */
  fi
}

#ifdef TABLE
/* Every transition, a line each, as closure_table.cpp prints those of closure.h. */
inline print_state() {
  if
  :: state == Closing && state_sent -> printf("Closing(sent)")
  :: state == Closing && state_received -> printf("Closing(received)")
  :: state == Broken -> printf("Broken(%e)", its_ending)
  :: else -> printf("%e", state)
  fi
}

inline transition(happened) {
  if
  :: from == 0 -> state = Plain
  :: from == 1 -> state = Handshaking
  :: from == 2 -> state = Secure
  :: from == 3 -> state = Closing; state_sent = true
  :: from == 4 -> state = Closing; state_received = true
  :: from == 5 -> state = Broken; its_ending = fin
  fi;
  print_state();
  printf(" %e ", happened);
  note(happened);
  print_state();
  printf("\n");
  state_sent = false;
  state_received = false
}

init {
  byte from;
  for (from : 0 .. 5) {
    transition(begin_handshake);
    transition(established);
    transition(received_close_notify);
    transition(sent_close_notify);
    transition(fin);
    transition(rst);
    transition(timed_out);
    transition(alert);
    transition(corrupt);
    transition(octets_behind)
  }
}
#endif
