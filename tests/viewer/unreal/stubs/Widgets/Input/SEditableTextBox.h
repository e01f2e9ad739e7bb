#pragma once

#include "CoreMinimal.h"
#include "Widgets/SBoxPanel.h"

class SEditableTextBox : public SWidget
{
public:
	FText GetText() const;
	struct FArguments
	{
		FArguments& Text(const FText& Value);
		FArguments& ToolTipText(const FText& Value);
		operator TSharedRef<SEditableTextBox>() const;
	};
};
