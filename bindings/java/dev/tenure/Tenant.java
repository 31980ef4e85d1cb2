package dev.tenure;

/**
 * A tenant: an owner of native memory inside the process, with limits. Objects of Java lie in the heap of the virtual machine, which is
 * not charged; direct buffers, Unsafe, and memory of JNI libraries are, to the tenant that their thread is inside of.
 *
 * <p>The object is a handle. The tenant lives until {@link #offline}; closing the handle does not end it. A handle must stay open
 * while a thread is inside.
 */
public final class Tenant implements AutoCloseable {
  /** Flags of {@link #create}. */
  public static final int DURABLE = 1, ISOLATED = 2;

  /** Limits, in bytes. */
  public enum Limit { MIN, LOW, HIGH, MAX, RESERVE }

  /** What happens to a request that does not fit below the limit. */
  public enum Policy { FAIL_LARGE, FAIL_ALL, OBSERVE, EVENT, ABORT }

  /** Bytes, but for the counts; usage, peak and failures include all tenants below. */
  public record Stats(long usage, long peak, long failures, long children) {}

  /** The process's malloc is not Tenure's, so nothing would be limited. */
  public static final class NotActive extends IllegalStateException {
    NotActive() {
      super("the process's malloc is not Tenure's, so nothing would be limited: start the program by `tenure run -- java ...`, "
          + "or with LD_PRELOAD=libtenure.so in its environment");
    }
  }

  /** A thread is inside until the scope is closed, on that thread, in reverse order of entering. */
  public interface Scope extends AutoCloseable {
    @Override
    void close();
  }

  static {
    // tenure.jni names the file of the JNI library; by default it is looked for where the virtual machine looks.
    String file = System.getProperty("tenure.jni");
    if (file != null) {
      System.load(file);
    } else {
      System.loadLibrary("tenure_jni");
    }
  }

  private long handle;

  private Tenant(long handle) {
    this.handle = handle;
  }

  /** Whether the process's malloc is Tenure's. If not, no tenant can be made. */
  public static native boolean active();

  /** The path of the tenant that this thread is inside of; null without the library. */
  public static native String current();

  /** Makes a tenant below {@code parent} (null: the root). {@code max}: its limit, or -1. */
  public static Tenant create(String name, Tenant parent, int flags, long max) {
    if (!active()) throw new NotActive();
    if (name.indexOf('\0') >= 0) throw new IllegalArgumentException("the name has a 0 in it");
    long[] made = new long[1];
    check(create0(parent == null ? 0 : parent.open(), name, flags, made), "tenant " + name);
    Tenant tenant = new Tenant(made[0]);
    if (max < 0) return tenant;
    try {
      tenant.setLimit(Limit.MAX, max);
    } catch (RuntimeException error) {
      tenant.offline(false); // Without its limit it must not serve anybody.
      tenant.close();
      throw error;
    }
    return tenant;
  }

  /** Goes inside: {@code try (var scope = tenant.enter()) { ... }}. */
  public Scope enter() {
    Thread owner = Thread.currentThread();
    long outer = enter0(open());
    return new Scope() {
      private boolean left;

      @Override
      public void close() {
        if (Thread.currentThread() != owner) throw new IllegalStateException("left on another thread than it was entered on");
        if (left) return;
        left = true;
        leave0(outer);
      }
    };
  }

  /** Calls the work inside. */
  public void run(Runnable work) {
    try (Scope scope = enter()) {
      work.run();
    }
  }

  /** Bytes below 0: no limit. */
  public void setLimit(Limit which, long bytes) {
    check(setLimit0(open(), which.ordinal(), bytes), "limit");
  }

  public void setPolicy(Policy policy) {
    check(setPolicy0(open(), policy.ordinal()), "policy");
  }

  public Stats stats() {
    long[] figures = new long[4];
    check(stats0(open(), figures), "stats");
    return new Stats(figures[0], figures[1], figures[2], figures[3]);
  }

  public String path() {
    return path0(open());
  }

  /** Ends the tenant. What is left of its memory is its parent's to pay. Recursive: tenants below go first. */
  public void offline(boolean recursive) {
    check(offline0(open(), recursive ? 1 : 0), "offline");
  }

  @Override
  public synchronized void close() {
    if (handle != 0) close0(handle);
    handle = 0;
  }

  private synchronized long open() {
    if (handle == 0) throw new IllegalStateException("the handle is closed");
    return handle;
  }

  private static void check(int result, String what) {
    if (result >= 0) return;
    throw new IllegalStateException(what + ": " + strerror0(-result));
  }

  private static native int create0(long parent, String name, int flags, long[] made);
  private static native int offline0(long handle, int flags);
  private static native void close0(long handle);
  private static native long enter0(long handle);
  private static native void leave0(long outer);
  private static native int setLimit0(long handle, int which, long bytes);
  private static native int setPolicy0(long handle, int policy);
  private static native int stats0(long handle, long[] figures);
  private static native String path0(long handle);
  private static native String strerror0(int number);
}
