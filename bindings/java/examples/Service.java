import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.tenure.Tenant;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;

/**
 * A store for many customers in one process, whose values are in direct buffers. Each customer has a quota.
 *
 * <pre>
 * PUT /customer/key   keeps the body          507 where the customer's quota is used up
 * GET /customer/key   gives it back           404
 * GET /customer       what the customer has
 *
 * tenure run -- java Service [port]           (port 0: a free one, which is printed)
 * </pre>
 */
public class Service {
  static final long QUOTA = 16 << 20;

  record Customer(Tenant tenant, Map<String, ByteBuffer> values) {}

  static final Map<String, Customer> customers = new ConcurrentHashMap<>();

  static Customer customerOf(String name) {
    return customers.computeIfAbsent(name, key -> new Customer(Tenant.create(key, null, 0, QUOTA), new ConcurrentHashMap<>()));
  }

  /** The buffer is the customer's; what reads the request is the server's. */
  static int put(Customer customer, String key, HttpExchange exchange) throws IOException {
    byte[] body = exchange.getRequestBody().readAllBytes();
    try (var scope = customer.tenant().enter()) {
      customer.values().put(key, ByteBuffer.allocateDirect(body.length).put(body).flip());
      return 204;
    } catch (OutOfMemoryError full) {
      return 507;
    }
  }

  static void answer(HttpExchange exchange, int status, byte[] body) throws IOException {
    exchange.sendResponseHeaders(status, body.length == 0 ? -1 : body.length);
    if (body.length > 0) exchange.getResponseBody().write(body);
    exchange.close();
  }

  static void serve(HttpExchange exchange) throws IOException {
    String[] parts = exchange.getRequestURI().getPath().substring(1).split("/", 2);
    Customer customer;
    try {
      customer = customerOf(parts[0]);
    } catch (RuntimeException error) {
      answer(exchange, 400, error.getMessage().getBytes());
      return;
    }
    if (parts.length < 2) {
      Tenant.Stats stats = customer.tenant().stats();
      answer(exchange, 200, (stats.usage() + " " + stats.failures() + "\n").getBytes());
    } else if (exchange.getRequestMethod().equals("PUT")) {
      answer(exchange, put(customer, parts[1], exchange), new byte[0]);
    } else {
      ByteBuffer value = customer.values().get(parts[1]);
      byte[] body = new byte[value == null ? 0 : value.remaining()];
      if (value != null) value.duplicate().get(body);
      answer(exchange, value == null ? 404 : 200, body);
    }
  }

  public static void main(String[] arguments) throws IOException {
    Tenant.create("probe", null, 0, -1).offline(false); // Says how to start the program, where it is started otherwise.
    int port = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 8080;
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
    server.createContext("/", Service::serve);
    server.setExecutor(Executors.newFixedThreadPool(4));
    server.start();
    System.out.println(server.getAddress().getPort());
  }
}
