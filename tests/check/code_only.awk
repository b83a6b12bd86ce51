# Prints C with comments, strings and character constants blanked, each line with its file and number.
FNR == 1 { comment = 0 }
{
    line = $0
    if (!comment) {
        gsub(/'([^'\\]|\\.)'/, "0", line)
        gsub(/"([^"\\]|\\.)*"/, "\"\"", line)
    }
    code = ""
    while (line != "") {
        if (comment) {
            end = index(line, "*/")
            if (!end) { line = ""; break }
            comment = 0
            line = substr(line, end + 2)
        } else {
            start = index(line, "/*")
            slashes = index(line, "//")
            if (slashes && (!start || slashes < start)) { code = code substr(line, 1, slashes - 1); break }
            if (!start) { code = code line; break }
            code = code substr(line, 1, start - 1) " "
            comment = 1
            line = substr(line, start + 2)
        }
    }
    print FILENAME ":" FNR ":" code
}
