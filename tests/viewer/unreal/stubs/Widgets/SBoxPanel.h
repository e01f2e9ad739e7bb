#pragma once

#include "CoreMinimal.h"

class SWidget
{
public:
	virtual ~SWidget() = default;
};

class FReply
{
public:
	static FReply Handled();
};

// SNew(Type).Argument(...): the arguments are an object that becomes the widget in the end.
#define SNew(Type) Type::FArguments()

class SHorizontalBox : public SWidget
{
public:
	struct FSlot
	{
		FSlot& FillWidth(float Width);
		FSlot& AutoWidth();
		template <typename Child>
		FSlot& operator[](const Child& Widget);
	};
	static FSlot Slot();
	struct FArguments
	{
		FArguments& operator+(const FSlot& Added);
		operator TSharedPtr<SWidget>() const;
	};
};
