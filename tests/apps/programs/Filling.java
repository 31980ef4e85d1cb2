import java.util.ArrayList;
import java.util.List;

/** Arrays in the heap until there is no memory, or enough of it. */
public class Filling {
  public static void main(String[] arguments) {
    List<int[]> keep = new ArrayList<>();
    try {
      while (keep.size() < 1000) keep.add(new int[100000]);
    } catch (OutOfMemoryError error) {
      keep = null;
    }
    System.out.println("done");
  }
}
