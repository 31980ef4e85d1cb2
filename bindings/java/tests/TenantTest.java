import dev.tenure.Tenant;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import sun.misc.Unsafe;

/** With the library preloaded; "closed": without. */
public class TenantTest {
  static final long MIB = 1 << 20;
  static final Unsafe UNSAFE;

  static {
    try {
      Field field = Unsafe.class.getDeclaredField("theUnsafe");
      field.setAccessible(true);
      UNSAFE = (Unsafe) field.get(null);
    } catch (ReflectiveOperationException error) {
      throw new AssertionError(error);
    }
  }

  static void check(boolean condition, Object said) {
    if (!condition) throw new AssertionError(String.valueOf(said));
  }

  static <E extends Throwable> E fails(Class<E> kind, Runnable work) {
    try {
      work.run();
    } catch (Throwable error) {
      check(kind.isInstance(error), error);
      return kind.cast(error);
    }
    throw new AssertionError("did not fail");
  }

  static void closed() {
    check(!Tenant.active() && Tenant.current() == null, "active");
    Tenant.NotActive error = fails(Tenant.NotActive.class, () -> Tenant.create("t", null, 0, -1));
    check(error.getMessage().contains("tenure run"), error);
  }

  static void nativeMemoryIsCharged() {
    Tenant full = Tenant.create("full", null, 0, 8 * MIB);
    Tenant other = Tenant.create("other", null, 0, 64 * MIB);
    full.run(() -> {
      fails(OutOfMemoryError.class, () -> UNSAFE.allocateMemory(16 * MIB));
      fails(OutOfMemoryError.class, () -> ByteBuffer.allocateDirect((int) (16 * MIB)));
      try (var scope = other.enter()) {
        long block = UNSAFE.allocateMemory(16 * MIB);
        check(other.stats().usage() >= 16 * MIB, other.stats());
        UNSAFE.freeMemory(block);
      }
      check(Tenant.current().equals("/full"), Tenant.current());
    });
    check(full.stats().failures() >= 2 && other.stats().failures() == 0, full.stats());
    List<ByteBuffer> kept = new ArrayList<>();
    full.run(() -> kept.add(ByteBuffer.allocateDirect((int) (2 * MIB))));
    check(full.stats().usage() >= 2 * MIB, full.stats());
    other.offline(false);
    full.offline(false);
  }

  static void scopesNestAndSurviveExceptions() {
    Tenant first = Tenant.create("first", null, 0, -1);
    Tenant second = Tenant.create("second", first, 0, -1);
    fails(ArithmeticException.class, () -> first.run(() -> second.run(() -> {
      check(Tenant.current().equals("/first/second"), Tenant.current());
      throw new ArithmeticException();
    })));
    check(Tenant.current().equals("/"), Tenant.current());
    fails(IllegalStateException.class, () -> first.offline(false));
    first.offline(true);
    first.close();
    first.close();
    fails(IllegalStateException.class, first::stats);
  }

  static void threadsAreApart() throws InterruptedException {
    Tenant plain = Tenant.create("plain", null, 0, -1);
    Tenant durable = Tenant.create("durable", null, Tenant.DURABLE, -1);
    List<String> seen = new ArrayList<>();
    for (Tenant tenant : List.of(plain, durable)) {
      try (var scope = tenant.enter()) {
        Thread thread = new Thread(() -> {
          seen.add(Tenant.current());
          fails(IllegalStateException.class, scope::close);
        });
        thread.start();
        thread.join();
      }
    }
    check(seen.equals(List.of("/", "/durable")), seen);
    plain.offline(false);
    durable.offline(false);
  }

  static void errorsSayWhy() {
    Tenant tenant = Tenant.create("named", null, 0, -1);
    check(fails(IllegalStateException.class, () -> Tenant.create("named", null, 0, -1)).getMessage().contains("exists"), "");
    fails(IllegalStateException.class, () -> Tenant.create("a/b", null, 0, -1));
    fails(IllegalArgumentException.class, () -> Tenant.create("a\0b", null, 0, -1));
    tenant.setLimit(Tenant.Limit.HIGH, MIB);
    tenant.setPolicy(Tenant.Policy.OBSERVE);
    tenant.offline(false);
    fails(IllegalStateException.class, () -> tenant.setLimit(Tenant.Limit.MAX, 1));
  }

  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length > 0) {
      closed();
      return;
    }
    nativeMemoryIsCharged();
    scopesNestAndSurviveExceptions();
    threadsAreApart();
    errorsSayWhy();
  }
}
