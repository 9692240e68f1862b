// Every reply that the server side gives, each in one place: RFC 5321 section 4.2.3 (codes), RFC 3463 and RFC 5248 (enhanced codes).
#pragma once

#include <string>
#include <string_view>

#include "adieu/protocol/smtp/reply.h"

namespace adieu::smtp::reply {

inline Reply make(std::uint16_t code, EnhancedStatus status, std::string_view text) { return {code, status, std::string(text)}; }

// Sessions
Reply greeting(std::string_view hostname);                                   // 220
Reply closing(std::string_view hostname);                                    // 221 2.0.0
Reply hello(std::string_view hostname, std::string_view client);             // 250, HELO
Reply ready_for_tls();                                                       // 220 2.0.0
inline Reply ok() { return make(250, {2, 0, 0}, "Ok"); }
inline Reply help() { return make(214, {2, 0, 0}, "EHLO HELO STARTTLS MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT; RFC 5321 says the rest"); }
inline Reply cannot_verify() { return make(252, {2, 5, 0}, "Cannot verify the mailbox, send mail to it to find out"); }

// Mail transactions
inline Reply reverse_path_ok() { return make(250, {2, 1, 0}, "Ok"); }
inline Reply recipient_ok() { return make(250, {2, 1, 5}, "Ok"); }
inline Reply start_mail_input() { return make(354, {}, "End data with <CR><LF>.<CR><LF>"); }
Reply chunk_ok(std::uint64_t octets);                                        // 250 2.0.0
Reply queued(std::string_view queue_id);                                     // 250 2.0.0
inline Reply too_many_recipients() { return make(452, {4, 5, 3}, "Too many recipients"); }
inline Reply no_valid_recipients() { return make(554, {5, 5, 1}, "No valid recipients"); }
inline Reply message_too_big() { return make(552, {5, 3, 4}, "Message exceeds the size limit"); }
inline Reply bare_newline() { return make(550, {5, 5, 2}, "A CR or LF stands alone in the mail data; lines end with CRLF (RFC 5321 section 2.3.8)"); }
inline Reply nul_in_mail_data() { return make(550, {5, 6, 0}, "A NUL stands in the mail data (RFC 5322 section 3.5 has none)"); }
inline Reply text_line_too_long() { return make(554, {5, 6, 0}, "A line of the mail data is too long"); }
inline Reply mail_loop() { return make(554, {5, 4, 6}, "Too many Received fields: the mail is going round in circles"); }
inline Reply relaying_denied() { return make(550, {5, 7, 1}, "Relaying denied"); }

// The machine
inline Reply insufficient_storage() { return make(452, {4, 3, 1}, "Insufficient storage, try again later"); }
inline Reply local_error() { return make(451, {4, 3, 0}, "Local error, try again later"); }
inline Reply too_many_connections() { return make(421, {4, 7, 0}, "Too many connections, try again later"); }

// What a client does wrong
inline Reply unknown_command() { return make(500, {5, 5, 2}, "Command not recognized"); }
inline Reply command_too_long() { return make(500, {5, 5, 2}, "Command line too long"); }
inline Reply bare_newline_in_command() { return make(500, {5, 5, 2}, "A CR, LF or NUL stands alone in the command; lines end with CRLF"); }
inline Reply no_argument_allowed() { return make(501, {5, 5, 4}, "This command takes no argument"); }
inline Reply syntax(std::string_view expected) { return make(501, {5, 5, 4}, "Syntax: " + std::string(expected)); }
inline Reply bad_reverse_path() { return make(501, {5, 1, 7}, "Bad reverse-path: expected <local-part@domain> or <>"); }
inline Reply bad_forward_path() { return make(501, {5, 1, 3}, "Bad forward-path: expected <local-part@domain>"); }
inline Reply unknown_parameter() { return make(555, {5, 5, 4}, "Parameter not recognized"); }
inline Reply bad_parameter() { return make(501, {5, 5, 4}, "Parameter given twice or with a bad value"); }
inline Reply name_too_long() { return make(501, {5, 5, 4}, "The name is longer than a host name can be"); }
inline Reply hello_first() { return make(503, {5, 5, 1}, "Send EHLO or HELO first"); }
inline Reply mail_first() { return make(503, {5, 5, 1}, "Send MAIL first"); }
inline Reply recipient_first() { return make(503, {5, 5, 1}, "Send RCPT first"); }
inline Reply nested_mail() { return make(503, {5, 5, 1}, "A mail transaction is open already"); }
inline Reply data_after_bdat() { return make(503, {5, 5, 1}, "The message is being sent by BDAT"); }
inline Reply tls_required() { return make(530, {5, 7, 0}, "Must issue a STARTTLS command first"); }
inline Reply tls_not_offered() { return make(502, {5, 5, 1}, "STARTTLS is not offered here"); }
inline Reply tls_already() { return make(503, {5, 5, 1}, "TLS is in force already"); }
inline Reply too_many_errors() { return make(421, {4, 7, 0}, "Too many errors, closing the connection"); }
inline Reply too_many_transactions() { return make(421, {4, 7, 0}, "Too many messages in one session, connect again"); }
inline Reply too_much_mail_data() { return make(421, {4, 7, 0}, "Far more mail data than is accepted, closing the connection"); }
inline Reply too_many_layers() { return make(421, {4, 7, 0}, "Too many TLS layers on one connection, connect again"); }
inline Reply timeout() { return make(421, {4, 4, 2}, "Timeout, closing the connection"); }
inline Reply shutting_down() { return make(421, {4, 3, 2}, "The relay is shutting down, try again later"); }
inline Reply not_smtp() { return make(421, {4, 7, 0}, "This is SMTP; closing the connection"); }
inline Reply pipelined_starttls() { return make(554, {5, 5, 1}, "Octets behind STARTTLS, closing the connection"); }

}  // namespace adieu::smtp::reply
