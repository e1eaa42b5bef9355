/** Lists of people, as spreadsheets write and read them. */

import { describe, expect, test } from "vitest";
import { parse, write } from "../pages/console/manage/csv";
import { doubtsOf, peopleOf } from "../pages/console/manage/listing";

const cells = (text: string) => parse(text).map((row) => row.cells);

describe("reading", () => {
  test.each([
    ["commas", "a,b\n1,2", ","],
    ["semicolons", "a;b\n1;2", ";"],
    ["tabs of copied cells", "a\tb\n1\t2", "\t"],
    ["CRLF", "a,b\r\n1,2\r\n", ","],
    ["CR alone", "a,b\r1,2", ","],
    ["a byte order mark", "\uFEFFa,b\n1,2", ","],
    ["a byte order mark before a quoted cell", '\uFEFF"a","b"\n1,2', ","],
  ])("%s", (_, text) => {
    expect(cells(text)).toEqual([
      ["a", "b"],
      ["1", "2"],
    ]);
  });

  test("a quoted cell holds separators, line breaks and quotation marks", () => {
    expect(cells('n,m\n"Doe, ""Jo""\nJane",x')).toEqual([
      ["n", "m"],
      ['Doe, "Jo"\nJane', "x"],
    ]);
  });

  test("quotation marks within a cell that does not begin with one are part of it", () => {
    expect(cells('n,m\nJo "J" Doe,6"')).toEqual([
      ["n", "m"],
      ['Jo "J" Doe', '6"'],
    ]);
  });

  test("cells may be empty, quoted or not", () => {
    expect(cells('a,b,c\n,"",x\nx,"""",')).toEqual([
      ["a", "b", "c"],
      ["", "", "x"],
      ["x", '"', ""],
    ]);
  });

  test("the separator is told by the first line outside of quotation marks", () => {
    expect(cells('"a,b,c";d\n1,5;2')).toEqual([
      ["a,b,c", "d"],
      ["1,5", "2"],
    ]);
  });

  test("a row is numbered by the line on which it begins, empty lines counted", () => {
    const rows = parse('a,b\n\n"one\ntwo",2\n , \nlast,3\n');
    expect(rows.map(({ line, cells: [first] }) => [line, first])).toEqual([
      [1, "a"],
      [3, "one\ntwo"],
      [6, "last"],
    ]);
  });

  test("a quotation mark that is never closed is named by its line", () => {
    expect(() => parse('a,b\nx,1\n"y,2\nz,3')).toThrow("line 3 is never closed");
  });

  test("nothing is no row", () => {
    expect(parse("")).toEqual([]);
    expect(parse("\uFEFF\r\n\r\n")).toEqual([]);
  });
});

describe("people", () => {
  test("columns come in any order and case, and others are left out", () => {
    const { people, ignored } = peopleOf(
      "E-Mail;Room;NAME;Role;Password\r\n ada@x.example ;7; Ada ;proctor; secret \r\n",
    );
    expect(people).toEqual([{ line: 2, name: "Ada", email: "ada@x.example", role: "PROCTOR", password: " secret " }]);
    expect(ignored).toEqual(["Room"]);
  });

  test("an empty role or password, and a row that is too short, leave them out", () => {
    const { people } = peopleOf("name,email,role,password\nAda,ada@x.example,,\nBob,bob@x.example");
    expect(people).toEqual([
      { line: 2, name: "Ada", email: "ada@x.example" },
      { line: 3, name: "Bob", email: "bob@x.example" },
    ]);
  });

  test("a list without its needed columns is refused by their names", () => {
    expect(() => peopleOf("name,mail\nAda,ada@x.example")).toThrow("“email” is not among them");
    expect(() => peopleOf("Ada,ada@x.example")).toThrow("“name” and “email” are not among them");
  });

  test("what will probably be refused is said by line", () => {
    const { people } = peopleOf(
      [
        "name,email,role,password",
        "Ada,ada@x.example,,",
        ",bob@x.example,,",
        "Cy,cy,,",
        "Di,,,",
        "Ed,ed@x.example,boss,",
        "Flo,flo@x.example,,12345",
        "Ada again,ADA@x.example,,",
        "Gil,gil@x.example,admin,123456",
      ].join("\n"),
    );
    expect([...doubtsOf(people)]).toEqual([
      [3, "no name"],
      [4, "no e-mail address"],
      [5, "the e-mail address is missing"],
      [6, "no such role: BOSS"],
      [7, "a password has at least 6 characters"],
      [8, "the same address as in line 2"],
    ]);
  });
});

describe("writing", () => {
  test("every cell is quoted, and what is written is read again", () => {
    const rows = [
      ["name", "e-mail"],
      ['Doe, "Jo"', "jo@x.example; more"],
    ];
    const text = write(rows);
    expect(text).toBe('\uFEFF"name","e-mail"\r\n"Doe, ""Jo""","jo@x.example; more"\r\n');
    expect(cells(text)).toEqual(rows);
  });

  test.each(["=1+1", "+49", "-2", "@sum", "\tx", "\rx"])("%j is no formula to a spreadsheet", (value) => {
    expect(write([[value]])).toBe(`\uFEFF"'${value}"\r\n`);
  });

  test("a sign elsewhere is left alone", () => {
    expect(write([["a-b", "x=y", "ada@x.example"]])).toBe('\uFEFF"a-b","x=y","ada@x.example"\r\n');
  });
});
