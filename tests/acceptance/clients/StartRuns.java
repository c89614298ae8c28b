// Starts a run as often as it is told to, with Java's HttpClient as it is: on http:// it offers HTTP/2 with each request.
// Arguments: URL, key, number. The body of each request is what comes on standard input. Prints answers, one a line.

import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;

public class StartRuns {
    public static void main(String[] arguments) throws Exception {
        byte[] body = System.in.readAllBytes();
        HttpClient client = HttpClient.newHttpClient();
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (int count = Integer.parseInt(arguments[2]); count > 0; count--) {
            HttpRequest request =
                    HttpRequest.newBuilder(URI.create(arguments[0] + "/v1/workflows/run"))
                            .header("Authorization", "Bearer " + arguments[1])
                            .header("Content-Type", "application/json")
                            .POST(BodyPublishers.ofByteArray(body))
                            .build();
            out.println(client.send(request, BodyHandlers.ofString()).body());
        }
    }
}
