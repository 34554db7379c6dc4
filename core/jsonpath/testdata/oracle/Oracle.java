import com.jayway.jsonpath.*;
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import net.minidev.json.*;

/**
 * Answers what Jayway's JsonPath makes of a path and a document. Each line of the input is a path, a tab and a document on one
 * line; each line of the output is a letter and a text: V and the JSON text of the value, W and the same with slashes escaped,
 * P and how the value prints, E and the kind of the error.
 */
public class Oracle {
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out), false, "UTF-8");
        for (String line; (line = in.readLine()) != null; ) {
            int tab = line.indexOf('\t');
            String path = line.substring(0, tab);
            Object document = Configuration.defaultConfiguration().jsonProvider().parse(line.substring(tab + 1));
            String answer;
            try {
                Object value = JsonPath.read(document, path);
                answer = "V" + text(value, JSONStyle.LT_COMPRESS) + "\tW" + text(value, JSONStyle.NO_COMPRESS) + "\tP" + oneLine(String.valueOf(value));
            } catch (PathNotFoundException e) {
                answer = "Epath-not-found";
            } catch (InvalidPathException | IllegalArgumentException e) {
                answer = "Einvalid-path";
            } catch (Exception e) {
                answer = "Efailed " + e;
            }
            out.println(answer);
        }
        out.flush();
    }

    static String text(Object value, JSONStyle style) { return JSONValue.toJSONString(value, style); }

    static String oneLine(String s) { return s.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r"); }
}
