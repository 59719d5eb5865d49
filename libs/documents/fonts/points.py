"""Prints the code points of the embedded typeface, one hexadecimal number a line; README.md says how it is used."""
points = set(range(0x20, 0x7F)) | set(range(0xA0, 0x100))
for lead in range(0x81, 0xFF):
    for trail in range(0x40, 0xFF):
        try:
            points.update(ord(character) for character in bytes([lead, trail]).decode("gbk"))
        except UnicodeDecodeError:
            pass
for first, last in [(0x4E00, 0x9FA5), (0x2010, 0x2026), (0x2030, 0x205E), (0x3000, 0x301F), (0xFF01, 0xFF5E), (0xFFE0, 0xFFE6)]:
    points.update(range(first, last + 1))
points.update([0x25A0, 0x25A1, 0x2713, 0x2717, 0x20AC, 0x2116])
print("\n".join(f"{point:04X}" for point in sorted(points)))
