import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.HashMap;
import java.util.Map;

import org.apache.velocity.Template;
import org.apache.velocity.app.VelocityEngine;
import org.apache.velocity.runtime.RuntimeInstance;
import org.apache.velocity.runtime.resource.loader.StringResourceLoader;
import org.apache.velocity.runtime.resource.util.StringResourceRepository;

/**
 * Times Velocity on request. A line "compile FILE MILLISECONDS" or "render FILE MILLISECONDS" on stdin repeats that for
 * about so long and answers with the nanoseconds of one. To compile is to parse the text; to render takes the compiled
 * template and fresh variables, and parses the payload. Whoever asks warms up first.
 */
public class Bench {
    interface Op { void run() throws Exception; }

    static volatile Object sink;

    static double time(Op op, long nanos) throws Exception {
        long batch = 1;
        for (;;) {
            long start = System.nanoTime();
            for (long i = 0; i < batch; i++) op.run();
            long took = System.nanoTime() - start;
            if (took >= nanos / 2) return took / (double) batch;
            batch *= 2;
        }
    }

    /** An engine whose loader keeps the compiled template. */
    static Template template(String src) throws Exception {
        VelocityEngine ve = new VelocityEngine();
        String[][] properties = {
            {"runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute"},
            {"velocimacro.library", ""},
            {"resource.loader", "string"},
            {"string.resource.loader.class", StringResourceLoader.class.getName()},
            {"string.resource.loader.repository.static", "false"},
            {"string.resource.loader.cache", "true"},
            {"string.resource.loader.modificationCheckInterval", "0"},
            {"runtime.introspector.uberspect", "org.apache.velocity.util.introspection.SecureUberspector"},
            {"directive.foreach.maxloops", Integer.toString(Render.MAX_LOOPS)},
            {"eventhandler.invalidreferences.class", Render.EmptyForInvalid.class.getName()},
            {"input.encoding", "UTF-8"}, {"output.encoding", "UTF-8"}};
        for (String[] p : properties) ve.setProperty(p[0], p[1]);
        ve.init();
        StringResourceRepository repo = (StringResourceRepository) ve.getApplicationAttribute(StringResourceLoader.REPOSITORY_NAME_DEFAULT);
        repo.putStringResource("t", src, "UTF-8");
        return ve.getTemplate("t", "UTF-8");
    }

    static String render(Template t, Map<String, Object> c) throws Exception {
        StringWriter w = new StringWriter(4096);
        t.merge(Render.velocityContext(c, Render.context(c.get("context"))), w);
        return w.toString();
    }

    static Op render(Map<String, Object> c) throws Exception {
        Template t = template((String) c.get("template"));
        if (!render(t, c).equals(c.get("output"))) throw new IllegalStateException(c.get("name") + ": output differs");
        return () -> sink = render(t, c);
    }

    static Op compile(Map<String, Object> c) throws Exception {
        RuntimeInstance ri = new RuntimeInstance();
        ri.setProperty("runtime.log.logsystem.class", "org.apache.velocity.runtime.log.NullLogChute");
        ri.setProperty("velocimacro.library", "");
        ri.init();
        String src = (String) c.get("template");
        return () -> sink = ri.parse(new StringReader(src), "t", false);
    }

    @SuppressWarnings("unchecked")
    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Map<String, Op> ops = new HashMap<>();
        String line;
        while ((line = in.readLine()) != null) {
            String[] words = line.split(" ");
            String key = words[0] + " " + words[1];
            if (!ops.containsKey(key)) {
                Path file = Paths.get(words[1]);
                Map<String, Object> c = (Map<String, Object>) Json.parse(new String(Files.readAllBytes(file), StandardCharsets.UTF_8));
                ops.put(key, words[0].equals("compile") ? compile(c) : render(c));
            }
            System.out.println(time(ops.get(key), Long.parseLong(words[2]) * 1000000));
        }
    }
}
