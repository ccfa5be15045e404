// Make calls with the HTTP clients of this Java: `java Probe.java CLIENT=URL…`.
// A line for each call: `CLIENT=URL`, a tab, `ok` or the error. Run by `mesh-record doctor`.
import java.net.HttpURLConnection;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;

public class Probe {
    public static void main(String[] calls) {
        for (String call : calls) {
            int at = call.lastIndexOf("=http");
            String result = "ok";
            try {
                make(call.substring(0, at), URI.create(call.substring(at + 1)));
            } catch (Exception error) {
                result = error.toString().replaceAll("\\s+", " ");
            }
            System.out.println(call + "\t" + result);
        }
        System.exit(0);
    }

    private static void make(String client, URI url) throws Exception {
        Duration patience = Duration.ofSeconds(20);
        if (client.equals("HttpURLConnection")) {
            HttpURLConnection connection = (HttpURLConnection) url.toURL().openConnection();
            connection.setConnectTimeout((int) patience.toMillis());
            connection.setReadTimeout((int) patience.toMillis());
            connection.getInputStream().readAllBytes();
        } else {
            HttpRequest request = HttpRequest.newBuilder(url).timeout(patience).build();
            HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        }
    }
}
