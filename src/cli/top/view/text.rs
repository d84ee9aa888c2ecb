//! Text in places of a given width, as a terminal counts it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// What stands where text was cut off.
const CUT: char = '~';

/// How many columns of a terminal `text` takes.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// `text`, cut where it is wider than `width`.
pub(super) fn fit(text: &str, width_max: usize) -> String {
    if width(text) <= width_max {
        return text.to_owned();
    }
    let mut fitting = String::new();
    let mut taken = 0;
    for character in text.chars() {
        taken += width(character.encode_utf8(&mut [0; 4]));
        if taken >= width_max {
            break;
        }
        fitting.push(character);
    }
    if width_max > 0 {
        fitting.push(CUT);
    }
    fitting
}

/// `text` in lines that are no wider than `width_max`.
pub(super) fn wrap(text: &str, width_max: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut taken = 0;
    for character in text.chars() {
        let columns = width(character.encode_utf8(&mut [0; 4]));
        if taken + columns > width_max && taken > 0 {
            lines.push(String::new());
            taken = 0;
        }
        taken += columns;
        if let Some(line) = lines.last_mut() {
            line.push(character);
        }
    }
    lines
}

/// How long ago something was, in four columns at the most.
pub(super) fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        172_800..86_400_000 => format!("{}d", seconds / 86_400),
        _ => "long".to_owned(),
    }
}

/// Writes `text` on a line of `area`.
pub(super) fn put(buffer: &mut Buffer, area: Rect, line: u16, text: &str, style: Style) {
    span(buffer, area, line, 0, text, style);
}

/// Writes `text` on a line of `area`, from the column `start` on.
pub(super) fn span(
    buffer: &mut Buffer,
    area: Rect,
    line: u16,
    start: u16,
    text: &str,
    style: Style,
) {
    if line < area.height && start < area.width {
        let room = usize::from(area.width - start);
        buffer.set_stringn(area.x + start, area.y + line, fit(text, room), room, style);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_wide_is_cut_and_shows_it() {
        assert_eq!(fit("camera", 6), "camera");
        assert_eq!(fit("camera", 5), "came~");
        assert_eq!(fit("実験室", 6), "実験室");
        assert_eq!(fit("実験室", 5), "実験~");
        assert_eq!(fit("実験室", 4), "実~");
        assert_eq!(fit("camera", 0), "");
    }

    #[test]
    fn lines_are_wrapped_at_the_width() {
        assert_eq!(wrap("abcdefg", 3), ["abc", "def", "g"]);
        assert_eq!(wrap("実験室", 3), ["実", "験", "室"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn an_age_takes_four_columns_at_the_most() {
        let ages = [0, 119, 120, 7_199, 172_799, 172_800, 86_399_999, u64::MAX].map(age);

        assert_eq!(ages, ["0s", "119s", "2m", "119m", "47h", "2d", "999d", "long"]);
    }
}
