import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.Deflater;
import java.util.zip.Inflater;

/** Direct buffers, native zlib, class loading through lambdas and a pool of threads. */
public class Objects {
  static byte[] crunch(int seed) throws Exception {
    Random random = new Random(seed);
    MessageDigest hash = MessageDigest.getInstance("SHA-256");
    ByteBuffer[] kept = new ByteBuffer[64];
    for (int i = 0; i < 3000; i++) {
      byte[] text = IntStream.range(0, random.nextInt(200)).mapToObj(Integer::toString)
          .collect(Collectors.joining(",")).getBytes();
      ByteBuffer direct = ByteBuffer.allocateDirect(text.length + 16);
      direct.put(text).flip();
      kept[random.nextInt(kept.length)] = direct;
      Deflater deflater = new Deflater();
      deflater.setInput(text);
      deflater.finish();
      byte[] packed = new byte[text.length + 64];
      int length = deflater.deflate(packed);
      deflater.end();
      Inflater inflater = new Inflater();
      inflater.setInput(packed, 0, length);
      byte[] back = new byte[text.length + 1];
      int size = inflater.inflate(back);
      inflater.end();
      hash.update(back, 0, size);
    }
    for (ByteBuffer buffer : kept) {
      if (buffer != null) hash.update(buffer);
    }
    return hash.digest();
  }

  public static void main(String[] arguments) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(6);
    List<Callable<byte[]>> jobs = new ArrayList<>();
    for (int i = 0; i < 12; i++) {
      int seed = i;
      jobs.add(() -> crunch(seed));
    }
    for (Future<byte[]> result : pool.invokeAll(jobs)) {
      System.out.println(HexFormat.of().formatHex(result.get()));
    }
    pool.shutdown();
  }
}
