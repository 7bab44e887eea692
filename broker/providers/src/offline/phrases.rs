//! Everything the offline provider understands, as a table. The first row that fits is taken, so
//! the narrow ones stand before the wide ones. `reference()` is generated from it.

use super::grammar::Slots;
use super::meaning::{self, Meaning};

/// One request that is understood.
pub(super) struct Phrase {
    /// What it is about, for the reference.
    pub(super) group: &'static str,
    /// Forms of it, in the notation of `grammar`.
    pub(super) patterns: &'static [&'static str],
    /// A request that fits.
    pub(super) example: &'static str,
    /// The tool it uses, or nothing.
    pub(super) tool: Option<&'static str>,
    /// What it means; `None` where the slots hold nothing usable.
    pub(super) meaning: fn(&Slots) -> Option<Meaning>,
}

macro_rules! phrases {
    ($($group:literal, $tool:expr, $example:literal, $meaning:path, [$($pattern:literal),+ $(,)?];)*) => {
        /// The table.
        pub(super) const PHRASES: &[Phrase] = &[$(Phrase {
            group: $group, patterns: &[$($pattern),+], example: $example, tool: $tool, meaning: $meaning,
        }),*];
    };
}

phrases! {
    "talk", None, "hello", meaning::greeting, [
        "hi|hello|hey|hiya|greetings|yo there|everyone|friend?", "good morning|evening|afternoon|day", "thanks|thank you? so? much?",
    ];
    "talk", None, "help", meaning::help, [
        "help me?", "what can|do you do|know|understand", "what are you able to do", "how do i use you|this", "commands|usage",
    ];

    "time", Some("current_time"), "what time is it in Tokyo?", meaning::time_in, [
        "what is? the? time|date is? it? now|currently? in|at {text:zone}",
        "what is the? current|local? time|date in|at {text:zone}",
        "the? current? local? time|date in|at {text:zone}", "what day is it in {text:zone}",
        "show|give|get ~ current? time|date in {text:zone}",
    ];
    "time", Some("current_time"), "what time is it?", meaning::time, [
        "what time|day|date is it now|today?", "what is the? current|local? time|date|day now|today?", "what is today's date|day",
        "the? current? time|date", "today's date", "what day is today", "show|give|get ~ current? time|date", "what is the? date today",
    ];

    "arithmetic", Some("math_eval"), "what is 2+2*3?", meaning::calculate, [
        "what is|are {text:expression}", "how much is {text:expression}", "calculate|compute|evaluate|solve {text:expression}",
        "work|figure out {text:expression}", "what does {text:expression} equal|make|give", "{text:expression}",
    ];

    "write", Some("write"), "create notes.md with three lines about Rust", meaning::write_lines, [
        "create|write|make|generate|draft|produce ~ markdown|text? file|note|document? called|named? {path} with|containing|of|that|having ~ {number} lines|sentences about|on {text:topic}",
        "write|put|add|save ~ {number} lines|sentences about|on {text:topic} in|into|to ~ file? called|named? {path}",
        "create|make ~ file|note? with|of {number} lines|sentences about|on {text:topic} called|named {path}",
    ];
    "write", Some("write"), "create an empty file called todo.md", meaning::write_empty, [
        "create|make ~ empty|blank file|document? called|named? {path}", "touch {path}", "create|make ~ file called|named {name:path}",
        "create {path}", "new empty? file called|named? {path}",
    ];
    "write", Some("write"), "create notes.md containing: buy milk", meaning::write_text, [
        "create|write|make|generate|new ~ markdown|text? file|note|document? called|named? {path} containing|saying|reading {text:content}",
        "create|write|make|generate|new ~ markdown|text? file|note|document? called|named? {path} that|which contains|says|reads {text:content}",
        "create|write|make|generate|new ~ markdown|text? file|note|document? called|named? {path} with ~ content|contents|text|line|words|body {text:content}",
        "create|write|make|new ~ markdown|text? file|note|document? called|named? {path} with {quoted:content} in|inside? it?",
        "write|save|put|store ~ text|words|line|string? {quoted:content} in|into|to|as ~ file? called|named? {path}",
        "write|save to|in|into ~ file? {path} {quoted:content}", "overwrite ~ file? {path} with {quoted:content}",
        "set ~ content|contents of|in {path} to {quoted:content}",
    ];
    "write", Some("exec"), "append \"eggs\" to shopping.txt", meaning::append, [
        "append ~ line|text|words? {quoted:content} to|at|in ~ end? of? file? {path}",
        "add ~ line|text|words? {quoted:content} to|at|in ~ end|bottom? of? file? {path}",
        "append {text:content} to ~ file? {path}", "add ~ line|text {text:content} to ~ end|bottom? of? file? {path}",
        "append to {path} {text:content}",
    ];

    "edit", Some("edit"), "replace all \"colour\" with \"color\" in essay.md", meaning::edit_all, [
        "replace|change|swap|substitute all|every|each occurrence|occurrences|instance|instances? of? {word:old} with|to|for|by {word:new} in ~ file? {path}",
        "in ~ file? {path} replace|change|swap|substitute all|every|each occurrence|occurrences|instance|instances? of? {word:old} with|to|for|by {word:new}",
        "replace|change {word:old} with|to|by {word:new} everywhere in ~ file? {path}",
    ];
    "edit", Some("edit"), "replace foo with bar in app.py", meaning::edit, [
        "replace|change|swap|substitute ~ word|text|string? {word:old} with|to|for|by {word:new} in ~ file? {path}",
        "in|edit ~ file? {path} and? replace|change|swap|substitute ~ word|text|string? {word:old} with|to|for|by {word:new}",
    ];

    "search", Some("exec"), "find files named *.rs", meaning::find_files, [
        "find|list|show|search for? ~ files|file named|called|matching|like {word:glob}",
        "find|list|show|search for? ~ files|file named|called|matching|like {word:glob} in|under ~ folder|directory? {name:dir}",
        "find|list|show ~ {word:kind} files", "find|list|show ~ {word:kind} files in|under ~ folder|directory? {name:dir}",
        "where is ~ file {path:glob}", "where is {path:glob}", "find|locate ~ file? {path:glob}",
    ];
    "search", Some("search"), "search for TODO in src", meaning::search, [
        "search|look|grep for ~ word|text|string|phrase|pattern? {word:pattern} in|inside|under|within ~ folder|directory|file|files? {name:path} folder|directory?",
        "find|search|grep ~ word|text|string|phrase|pattern? {word:pattern} in|inside|under|within ~ folder|directory|file? {name:path} folder|directory?",
        "find ~ place|places|line|lines|occurrence|occurrences|use|uses that|where|of? uses|use|mentions|mention|contains|contain|has? {word:pattern} in|under ~ folder|directory|file? {name:path}",
        "search in? ~ folder|directory|file? {name:path} for ~ word|text|string? {word:pattern}",
        "grep -r|-n|-rn|-i|-ri? {word:pattern} {name:path}", "is ~ word|text|string? {word:pattern} anywhere? in ~ file? {path}",
        "does {path} contain|mention ~ word|text|string? {word:pattern}",
        "where does ~ word|text|string? {word:pattern} appear|occur in ~ file|folder? {name:path}",
    ];
    "search", Some("search"), "search for TODO", meaning::search, [
        "search|look|grep for ~ word|text|string|phrase|pattern? {word:pattern} in? everywhere|here|files?",
        "search ~ files|workspace|everything|everywhere for ~ word|text|string? {word:pattern}", "grep -r|-n|-rn|-i|-ri? {word:pattern} here?",
        "where does ~ word|text|string? {word:pattern} appear|occur", "which|what files mention|contain|have|use|include ~ word|text|string? {word:pattern}",
        "does|do anything|something|any files|file? here? contain|mention ~ word|text|string? {word:pattern}",
        "find {quoted:pattern} in ~ files|workspace", "find ~ occurrences|uses|mentions of {word:pattern}",
    ];

    "run", Some("exec"), "count the lines in notes.md", meaning::count_lines, [
        "count ~ lines in|of ~ file? {path}", "how many lines are there? in ~ file? {path}", "how many lines does|has {path} have|got?",
        "the? line count of|for|in ~ file? {path}", "what is the? line count of|for|in ~ file? {path}", "wc -l {path}", "number of lines in {path}",
    ];
    "run", Some("exec"), "run `uname -a`", meaning::run, [
        "run|execute ~ shell? command|commands? {quoted:command}", "use bash|shell|sh to run|execute {quoted:command}",
        "run|execute {quoted:command} in ~ shell|terminal|bash",
        "in ~ shell|terminal run? {quoted:command}",
    ];
    "run", Some("exec"), "run uname -a", meaning::run_known, [
        "run|execute ~ shell? command? {text:command}", "what is ~ output of {text:command}", "in ~ shell|terminal run? {text:command}",
        "show ~ output of {text:command}", "what does {quoted:command} print|say|output|show|return",
    ];

    "files", Some("exec"), "delete old.txt", meaning::delete_file, [
        "delete|remove|erase ~ file? called|named? {path}", "delete|remove|erase ~ file called|named? {name:path}", "rm {path}",
    ];
    "files", Some("exec"), "delete the folder build", meaning::delete_folder, [
        "delete|remove|erase ~ folder|directory called|named? {name:path}", "delete|remove|erase the {name:path} folder|directory",
    ];
    "files", Some("exec"), "rename a.txt to b.txt", meaning::rename, [
        "rename|move|mv ~ file|folder? called|named? {path} to|into|as ~ folder|directory? {name:to} folder|directory?", "mv {path} {name:to}",
        "rename ~ file|folder {name:path} to|as {name:to}", "change the? name of {path} to {name:to}",
    ];
    "files", Some("exec"), "copy a.txt to b.txt", meaning::copy, [
        "copy|duplicate|cp ~ file? {path} to|into|as ~ folder|directory? {name:to} folder|directory?", "cp {path} {name:to}",
        "make|create ~ copy of ~ file? {path} called|named|as|at|in|to {name:to}",
    ];
    "files", Some("exec"), "create a folder called photos", meaning::make_folder, [
        "create|make|new|add ~ folder|directory called|named? {name:path}", "mkdir -p? {name:path}",
    ];

    "read", Some("read"), "first 10 lines of data.csv", meaning::read_head, [
        "show|read|print|give|display|get|see? ~ first|top {number} lines of|from|in ~ file? {path}",
        "what are the? first {number} lines of|in ~ file? {path}", "head {path}", "head -n {number} {path}",
    ];
    "read", Some("read"), "show lines 10 to 20 of main.py", meaning::read_range, [
        "show|read|print|give|display|get|see? ~ lines {number:from} to|through|until|and|- {number:to} of|from|in ~ file? {path}",
    ];
    "read", Some("read"), "what is in notes.md?", meaning::read, [
        "what is in|inside|within ~ file? {path}", "what is written|stored|saved in ~ file? {path}", "what is|are ~ content|contents of|in ~ file? {path}",
        "what does ~ file? {path} say|contain|hold|have", "cat|read|open|show|display|print|view|type|see|output ~ file? called|named? {path}",
        "cat|read|open|show|display|print|view|see ~ file called|named? {name:path}",
        "show|print|display|read|give|see|get ~ content|contents|text of|in|from ~ file? {path}", "have|take|let ~ look at ~ file? {path}",
        "look at|into ~ file? {path}", "see|show what is in|inside|written? in? ~ file? {path}", "{path}", "let me see|read ~ file? {path}",
        "us? have|take ~ look at ~ file? {path}",
    ];

    "list", Some("list"), "what files are in src?", meaning::list, [
        "list|show|display|see|print|give|get ~ everything|files|file|contents|content|listing|things|folder|directory? of|in|under|inside|within|at ~ folder|directory|path? {name:path} folder|directory?",
        "list|show|see what is in|inside|under ~ folder|directory? {name:path} folder|directory?",
        "what|which files|file|things? are|is there? in|inside|under|within ~ folder|directory? {name:path} folder|directory?",
        "what is in|inside|under ~ folder|directory {name:path}", "what is in|inside|under ~ {name:path} folder|directory", "the? contents|content of ~ {name:path} folder|directory",
        "what is in|inside {name:path}", "ls -l|-la|-a|-al? {name:path}", "dir {name:path}", "list {name:path} folder|directory?",
    ];
    "list", Some("list"), "list the files here", meaning::list_here, [
        "list|show|display|see|print|give|get ~ files|everything|listing|contents|workspace|folder|directory of|in|inside? ~ here|workspace|folder|directory|current? folder|directory?",
        "list|show|display|see|give|get ~ directory|folder|workspace|current contents|content|listing|files|folder|directory in? here?",
        "what|which files|file|things? are|is|do there|here|i|we? have|got? here|there|in? ~ here|workspace|folder|directory|current? folder|directory?",
        "what have|do i|we|you got|have? in|here ~ here|workspace|folder|directory?", "what is here", "what is in|inside ~ here|workspace|folder|directory",
        "ls -l|-la|-a|-al?", "dir", "list", "are|is there any files|file|anything here|in? ~ here|workspace|folder|directory?", "let me see what is in|inside? here|workspace",
        "see|show what is in|inside? ~ here|workspace|folder|directory",
    ];
}

/// One row of the reference for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is about.
    pub group: &'static str,
    /// Forms of the request, in the notation of the grammar.
    pub patterns: &'static [&'static str],
    /// A request that fits.
    pub example: &'static str,
    /// The tool it uses, or nothing.
    pub tool: Option<&'static str>,
}

/// Everything that is understood, in the order in which it is tried.
pub fn reference() -> Vec<Entry> {
    let entry = |row: &Phrase| Entry {
        group: row.group,
        patterns: row.patterns,
        example: row.example,
        tool: row.tool,
    };
    PHRASES.iter().map(entry).collect()
}
