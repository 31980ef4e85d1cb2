// Two pools with named threads, which make direct buffers and keep them.
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

public class Pools {
  static final List<ByteBuffer> kept = new ArrayList<>();

  static void fill(String name, int megabytes) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(2, task -> new Thread(task, name + "-1"));
    for (int i = 0; i < megabytes; i++) {
      pool.submit(() -> {
        ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
        synchronized (kept) {
          kept.add(buffer);
        }
        return null;
      }).get();
    }
  }

  public static void main(String[] arguments) throws Exception {
    fill("pool-a", 40);
    fill("pool-b", 10);
    System.out.println(kept.size());
    System.exit(0);
  }
}
