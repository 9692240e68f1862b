// Two messages on one connection, each in a TLS layer of its own that both sides end by close_notify. Arguments: port, TLS version.
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.security.cert.X509Certificate;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;

public class ReturnToPlaintext {
  /** One octet at a time: what follows a reply must stay in the socket for whoever reads next. */
  static String reply(Socket socket) throws IOException {
    InputStream in = socket.getInputStream();
    StringBuilder all = new StringBuilder();
    while (true) {
      StringBuilder line = new StringBuilder();
      for (int c; (c = in.read()) != '\n'; ) {
        if (c < 0) throw new IOException("the end, after: " + all + line);
        line.append((char) c);
      }
      all.append(line).append('\n');
      if (line.charAt(3) == ' ') return all.toString();
    }
  }

  static String say(Socket socket, String command, String code) throws IOException {
    socket.getOutputStream().write((command + "\r\n").getBytes(StandardCharsets.US_ASCII));
    socket.getOutputStream().flush();
    String reply = reply(socket);
    if (!reply.startsWith(code)) throw new IOException(command + ": " + reply);
    return reply;
  }

  public static void main(String[] arguments) throws Exception {
    TrustManager anybody = new X509TrustManager() {
      public void checkClientTrusted(X509Certificate[] chain, String how) {}
      public void checkServerTrusted(X509Certificate[] chain, String how) {}
      public X509Certificate[] getAcceptedIssuers() { return new X509Certificate[0]; }
    };
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, new TrustManager[] {anybody}, new SecureRandom());
    try (Socket plain = new Socket("127.0.0.1", Integer.parseInt(arguments[0]))) {
      plain.setSoTimeout(20_000);
      reply(plain);
      for (int layer = 1; layer <= 2; ++layer) {
        if (!say(plain, "EHLO java.example", "250").contains("STARTTLS")) throw new IOException("no STARTTLS");
        say(plain, "STARTTLS", "220");
        SSLSocket secure = (SSLSocket) context.getSocketFactory().createSocket(plain, "relay.example.org", plain.getPort(), false);
        secure.setEnabledProtocols(new String[] {"TLSv" + arguments[1]});
        say(secure, "EHLO java.example", "250");
        say(secure, "MAIL FROM:<a@example.org>", "250");
        say(secure, "RCPT TO:<b@example.net>", "250");
        say(secure, "DATA", "354");
        say(secure, "Subject: java " + layer + "\r\n\r\nbody\r\n.", "250");
        secure.close();  // TLS 1.3: user_canceled, then close_notify, both padded; waits for the answer (JDK-8190492)
      }
      say(plain, "EHLO java.example", "250");
      say(plain, "QUIT", "221");
    }
  }
}
